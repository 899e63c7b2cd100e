"""What is managed, by the command line and over HTTP alike.

One module a subject; its functions take a connection of whoever may write, and know nothing of terminals or HTTP. The
collector holds events to schemas with the same code that looked at them when they were set.
"""
