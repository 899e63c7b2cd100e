"""The publisher: puts stored events into Kafka, in the order in which they were received, and tombstones of users who were erased."""
