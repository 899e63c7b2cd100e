"""Management under /admin: sources, keys, tokens, people, and the audit log."""
