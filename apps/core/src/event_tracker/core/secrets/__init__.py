"""Secrets: keys, passwords, and the hashes that are stored of them."""
