"""What only its owner may know: keys, passwords, and what can be written down of a secret."""
