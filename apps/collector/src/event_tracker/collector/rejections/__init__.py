"""Refused events: kept for a while, and tried again when somebody asks for it."""
