"""`tracker send`: send a file of events to the collector."""
