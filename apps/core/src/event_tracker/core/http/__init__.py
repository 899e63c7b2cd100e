"""HTTP as both services speak it: the outermost layer, errors, bodies, health, OpenAPI."""
