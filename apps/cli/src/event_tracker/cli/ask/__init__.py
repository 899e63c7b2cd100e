"""Commands that ask the query service."""
