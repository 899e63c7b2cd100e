"""Data subject requests: export everything that is stored of a user, or erase it."""
