"""Events and refused events into Kafka instead of PostgreSQL. Only `check` may be imported without the extra `kafka`."""
