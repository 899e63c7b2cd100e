"""Reads stored events in the order in which they were received, for processes that pass them on."""
