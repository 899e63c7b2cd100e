"""Commands that speak to /admin of the query service."""
