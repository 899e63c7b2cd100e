"""Refused events: they are stored for a while, and tried again on request."""
