"""What all pages share: range of time, sources, and filters of events."""
