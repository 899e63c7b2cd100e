"""What a lake says of its files, and how those are read that have events which PostgreSQL has no more (docs/lake.md)."""
