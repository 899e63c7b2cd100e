"""The web server, and its middleware."""
