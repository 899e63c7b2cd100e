"""The Cassandra relay: writes stored events to a table of Cassandra, in the order of receipt, and deletes there who was erased."""
