"""Reads logs from a bucket of S3, as they are written there."""
