"""Suggestions for who writes a filter: which fields there are, and which values they have. They read a bounded sample of the events."""
