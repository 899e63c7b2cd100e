"""Events in columns: blocks of events as Parquet in PostgreSQL, and DuckDB over them.

PostgreSQL's rows are the truth. A block holds the events of one source in some hours of a day (infra/migrations/0024-blocks.sql).
`tracker maintain` builds blocks; the query service reads them, and the rows of hours without a valid block, with DuckDB.
"""
