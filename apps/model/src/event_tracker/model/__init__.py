"""The domain that collector and query service share: events, event schemas, and refused events.

The functions take a database connection and know nothing of HTTP. The collector checks events against schemas with the
same code that checked the schemas when they were set.
"""
