"""`tracker send`: a file of events, through the collector."""
