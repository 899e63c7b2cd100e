"""`tracker topics`: looks at the topics of Kafka, makes them, and sets where a group starts. Needs the extra `kafka`."""
