"""Commands that query the query service for events and statistics."""
