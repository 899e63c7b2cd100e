"""Checks events against the schemas of their source."""
