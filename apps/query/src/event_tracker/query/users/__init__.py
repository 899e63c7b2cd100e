"""Data subjects: what the person behind a user may ask for. Everything that is stored of them, and that it be erased."""
