"""The importer: records of a topic that somebody else writes → events, posted to a collector."""
