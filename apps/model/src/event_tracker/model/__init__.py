"""What /admin manages and the collector heeds: event schemas, and what was refused.

One module a subject; its functions take a connection of whoever may write, and know nothing of HTTP. The
collector holds events to schemas with the same code that looked at them when they were set.
"""
