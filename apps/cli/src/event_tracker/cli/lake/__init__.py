"""The lake: events as Parquet files by day, in a folder or a bucket of S3, for other programs to read (docs/lake.md)."""
