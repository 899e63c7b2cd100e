"""The tracker script for browsers."""
