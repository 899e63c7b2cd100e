"""The storer: reads records of events from Kafka, stores them, and then commits the offsets. One process, one thread that stores."""
