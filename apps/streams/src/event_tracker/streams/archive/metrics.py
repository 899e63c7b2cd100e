"""The archive's metrics; docs/metrics.md lists them."""

from prometheus_client import Counter, Histogram

from event_tracker.core.metrics import SECONDS
from event_tracker.streams.consuming.metrics import ConsumerMetrics

RECORDS = Counter("archive_records", "Records that were written to files.")
FILES = Counter("archive_files", "Files that were written; one that is written again counts again.")
BYTES = Counter("archive_bytes", "Bytes of the files, compressed.")
CONSUMER = ConsumerMetrics("archive", done="in a file", hindrance="the folder or the bucket takes no files")
WRITE_SECONDS = Histogram("archive_write_seconds", "Making one file, and writing it to its place.", buckets=SECONDS)
TARGET_ERRORS = Counter(
    "archive_target_errors",
    "Tries to write a file that failed, by kind: folder, access, service, connection.",
    ["kind"],
)
