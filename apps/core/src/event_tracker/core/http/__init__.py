"""HTTP for both services: middleware, errors, request bodies, health, OpenAPI."""
