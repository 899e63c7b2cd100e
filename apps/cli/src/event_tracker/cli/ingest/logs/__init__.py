"""Reads the logs of web servers and content delivery networks: each line is a request, and most requests become events."""
