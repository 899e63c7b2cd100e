"""Commands that use /admin of the query service."""
