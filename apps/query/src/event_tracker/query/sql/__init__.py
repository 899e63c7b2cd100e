"""POST /sql: a person's own statement, over views of the events that they may see (docs/sql.md).

The engine of columns copies what the statement reads into a file of its own. A process without any right to open another one
(`sandbox`) runs the statement over that file.
"""
