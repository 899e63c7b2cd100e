"""Builds the archive from its parts, and runs it."""

from event_tracker.core.storage.opening import open_storage
from event_tracker.streams.archive import metrics
from event_tracker.streams.archive.archive import Archive
from event_tracker.streams.archive.buffers import Buffers
from event_tracker.streams.archive.settings import ArchiveSettings
from event_tracker.streams.consuming.service import Process, run_consumer
from event_tracker.streams.consuming.subscription import Subscription

ADVICE = "Stop the archives, set the offsets of the group to the first records that are left (kafka-consumer-groups.sh), and start them."


def run(settings: ArchiveSettings) -> None:
    """Archive until SIGTERM or Ctrl-C; then the files that are being written are finished, and their offsets are committed.

    Raises:
        SystemExit: with an error message, if a person must do something, or if a new process may do better.
    """

    def work(process: Process) -> None:
        buffers = Buffers(
            max_records=settings.archive_records,
            max_bytes=settings.archive_bytes,
            max_seconds=settings.archive_seconds,
            max_total_bytes=settings.buffer_bytes,
        )
        subscription = Subscription(
            client="archive",
            topics=[settings.archive_topic],
            done="in a file",
            advice=ADVICE,
            on_assigned=buffers.begin,
            on_revoked=buffers.drop,
        )
        Archive(
            process.open_source(subscription),
            buffers,
            # It is tried again for ever, by the archive: so that it is told of a rebalance meanwhile.
            open_storage(settings.archive_target, attempts=2),
            process.liveness,
            format_=settings.archive_format,
            compression=settings.archive_compression,
            is_stopping=process.is_stopping,
        ).run()

    run_consumer("archive", settings, [settings.archive_topic], metrics.CONSUMER, work)
