"""Metrics of questions about events in columns; docs/metrics.md lists them."""

from prometheus_client import Counter, Gauge, Histogram

from event_tracker.core.metrics import SECONDS

QUESTION_SECONDS = Histogram(
    "columns_question_seconds",
    "One question, from its snapshot to its rows, by where its events were: blocks, rows, lake, mixed, none.",
    ["question", "path"],
    buckets=SECONDS,
)
LOAD_SECONDS = Histogram(
    "columns_load_seconds", "The part of a question before DuckDB: its snapshot, and what was fetched.", buckets=SECONDS
)
BLOCKS = Gauge("columns_blocks", "Blocks in PostgreSQL: valid, and stale, whose rows are read instead.", ["state"])
MISSING_BLOCKS = Gauge(
    "columns_missing_blocks",
    "Days that are over with events of a source and no block, not even a stale one: `tracker maintain` hasn't built any.",
)
BLOCKS_FETCHED = Counter("columns_blocks_fetched", "Blocks copied from PostgreSQL to the local disk.")
BYTES_FETCHED = Counter("columns_bytes_fetched", "Bytes of these blocks.")
ROWS_READ = Counter("columns_rows_read", "Events read from their rows, for lack of a valid block.")
FILES_EVICTED = Counter("columns_files_evicted", "Files deleted from the local disk to make room for others.")
FILES_ERASED = Counter("columns_files_erased", "Files deleted because PostgreSQL has their block or events no more.")
CACHE_BYTES = Gauge("columns_cache_bytes", "Bytes of files on the local disk.")
MEMORY_BYTES = Gauge("columns_memory_bytes", "Memory that DuckDB uses.")
SPILLED_BYTES = Gauge("columns_spilled_bytes", "What DuckDB has written to disk now, for lack of memory.")
ARCHIVED_FILES = Gauge(
    "columns_archived_files",
    "What only the lake has: a file for each day of a source. Only with LAKE, as what follows.",
)
WAITING_ERASURES = Gauge(
    "columns_waiting_erasures",
    "Ids that were erased and whose archived events aren't yet: `tracker maintain --archive-first` or `tracker lake erase` does it.",
)
ARCHIVED_FILES_FETCHED = Counter("columns_archived_files_fetched", "Files copied from the lake.")
ARCHIVED_BYTES_FETCHED = Counter("columns_archived_bytes_fetched", "Bytes of these files.")
