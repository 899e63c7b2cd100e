"""Commands that work on the database, as its owner."""
