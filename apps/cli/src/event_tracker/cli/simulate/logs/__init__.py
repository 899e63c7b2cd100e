"""Logs of the simulated web site, as a server in front of it would write them (`tracker simulate --logs`)."""
