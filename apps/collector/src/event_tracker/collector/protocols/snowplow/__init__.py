"""Snowplow's tracker protocol, version 2, by POST (docs/clients/snowplow.md)."""
