"""Streams of events: exports and live events."""
