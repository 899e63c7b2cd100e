"""Commands that work on the database, in the role of its owner."""
