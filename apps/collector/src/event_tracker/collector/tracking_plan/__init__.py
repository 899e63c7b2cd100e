"""Events against the schemas of their source."""
