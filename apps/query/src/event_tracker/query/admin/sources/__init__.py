"""Sources under /admin: their settings and write keys, pages, and event schemas."""
