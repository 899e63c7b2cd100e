"""The row of the columns engine: how long questions take, where their events were, and what is kept on disk and in memory."""

from parts import Panel, lines
from service_rows import percentile
from sources import over_time

JOB = 'job="query"'


def columns_engine() -> list[Panel]:
    """Questions, blocks, reads and local storage."""
    return [*questions(), *blocks(), *storage()]


def questions() -> list[Panel]:
    """Their durations, and where their events were."""
    return [
        lines(
            "Duration of questions in columns, p95",
            "From the snapshot to the rows, by question. A question may take as long as STATEMENT_SECONDS allows.",
            "s",
            over_time(percentile(0.95, "columns_question_seconds", JOB, by="question, "), "{{question}}"),
            steps=[(1, "red")],
        ),
        lines(
            "Where the events were",
            "Questions a second. blocks is quickest; mixed and rows read events from PostgreSQL that have no valid block yet.",
            "reqps",
            over_time(f"sum by (path) (rate(columns_question_seconds_count{{{JOB}}}[$__rate_interval]))", "{{path}}"),
            stacked=True,
        ),
        lines(
            "Loading",
            "The part of a question before DuckDB: its snapshot, and what was fetched.",
            "s",
            over_time(percentile(0.5, "columns_load_seconds", JOB), "p50"),
            over_time(percentile(0.95, "columns_load_seconds", JOB), "p95"),
        ),
    ]


def blocks() -> list[Panel]:
    """Blocks in PostgreSQL, and what is read from there."""
    return [
        lines(
            "Blocks",
            "In PostgreSQL, as one instance sees them. Stale blocks and missing days are built by the next run of tracker maintain.",
            "short",
            over_time(f"max by (state) (columns_blocks{{{JOB}}})", "{{state}}"),
            over_time(f"max(columns_missing_blocks{{{JOB}}})", "days without a block"),
        ),
        lines(
            "Blocks fetched",
            "Bytes a second that were copied from PostgreSQL to local disks. It falls to 0 once the caches are warm.",
            "Bps",
            over_time(f"sum(rate(columns_bytes_fetched_total{{{JOB}}}[$__rate_interval]))", "fetched"),
        ),
        lines(
            "Events read from rows",
            "A second, for lack of a valid block: the open day, and days that have changed since their block was built.",
            "suffix: events/s",
            over_time(f"sum(rate(columns_rows_read_total{{{JOB}}}[$__rate_interval]))", "read"),
        ),
    ]


def storage() -> list[Panel]:
    """Local disk and memory of the engine."""
    return [
        lines(
            "Files on the local disk",
            "Of the cache, and what DuckDB has spilled for lack of memory, by instance.",
            "bytes",
            over_time(f"sum by (instance) (columns_cache_bytes{{{JOB}}})", "{{instance}} cache"),
            over_time(f"sum by (instance) (columns_spilled_bytes{{{JOB}}})", "{{instance}} spilled"),
        ),
        lines(
            "Files evicted and erased",
            "Deleted a second. Lasting evictions: the cache is too small for what is asked (CACHE_MAX_BYTES).",
            "cps",
            over_time(f"sum(rate(columns_files_evicted_total{{{JOB}}}[$__rate_interval]))", "evicted"),
            over_time(f"sum(rate(columns_files_erased_total{{{JOB}}}[$__rate_interval]))", "erased"),
        ),
        lines(
            "Memory of DuckDB",
            "By instance. All questions together may use ANALYTICS_MEMORY_BYTES.",
            "bytes",
            over_time(f"sum by (instance) (columns_memory_bytes{{{JOB}}})", "{{instance}}"),
        ),
    ]
