"""The process that runs a person's statement. It imports nothing of the service but this package, and has none of its secrets."""
