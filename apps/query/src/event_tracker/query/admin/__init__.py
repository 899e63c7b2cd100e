"""Management under /admin: sources, write keys, API tokens, people, and the audit log."""
