"""The table of events in Cassandra, which a relay writes. Needs the extra `cassandra`."""
