"""Events that applications track in another PostgreSQL: an outbox table, and a command that sends it to a collector."""
