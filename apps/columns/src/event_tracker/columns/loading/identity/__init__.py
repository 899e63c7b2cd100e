"""Which ids are of one person: links between ids, kept in memory, and whom each id leads to (docs/definitions.md, person)."""
