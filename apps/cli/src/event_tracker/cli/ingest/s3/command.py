"""The command `tracker s3`: send the logs in a bucket of S3 to the collector, now and as they come."""

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from event_tracker.cli.client import open_client
from event_tracker.cli.errors import ServiceError
from event_tracker.cli.health import serve_health
from event_tracker.cli.ingest.delivery import MAX_EVENTS
from event_tracker.cli.ingest.detection import FORMATS
from event_tracker.cli.ingest.event_ids import EventIdMaker
from event_tracker.cli.ingest.input import AUTO
from event_tracker.cli.ingest.logs.options import LogOptions, log_options
from event_tracker.cli.ingest.logs.read import LogReader
from event_tracker.cli.ingest.s3 import metrics
from event_tracker.cli.ingest.s3.bucket import Bucket, S3Error, make_client
from event_tracker.cli.ingest.s3.follower import BucketFollower
from event_tracker.cli.ingest.s3.ledger import Ledger
from event_tracker.cli.ingest.s3.loader import End, ObjectLoader
from event_tracker.cli.ingest.s3.messages import Queue
from event_tracker.cli.ingest.s3.refused_lines import RefusedLines
from event_tracker.cli.ingest.send import EXIT_REJECTED, EXIT_UNREADABLE, InterruptedCommand
from event_tracker.cli.ingest.tally import Tally
from event_tracker.cli.options import collector_options, parse_time, patience_option
from event_tracker.cli.progress import Meter


@click.command("s3")
@click.argument("bucket", metavar="BUCKET", envvar="S3_BUCKET")
@click.option(
    "--prefix", default="", envvar="S3_PREFIX", show_envvar=True, help="Only objects whose keys begin with this."
)
@click.option("--queue", metavar="URL", envvar="S3_QUEUE_URL", show_envvar=True,
              help="An SQS queue with the bucket's notifications, so that objects are read at once.")  # fmt: skip
@click.option("--once", is_flag=True, help="End after one listing. Otherwise it runs until SIGTERM or Ctrl-C.")
@click.option("--every", type=click.FloatRange(min=0, min_open=True), default=15.0, show_default=True,
              help="Minutes between two listings.")  # fmt: skip
@click.option("--since", callback=parse_time, help="Leave out objects that were written before this time (RFC 3339).")
@click.option("--ledger", type=click.Path(dir_okay=False, path_type=Path),
              help="A file that notes what was read, so that a restart doesn't read it again.")  # fmt: skip
@click.option("--format", "format_", type=click.Choice([AUTO, *FORMATS]), default=AUTO, show_default=True,
              help="auto: the format that an object's content has.")  # fmt: skip
@click.option("--rejected", type=click.Path(dir_okay=False, path_type=Path),
              help="File to which rejected and expired lines are added, and why.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1, MAX_EVENTS), default=MAX_EVENTS, show_default=True,
              help="Most events in a request.")  # fmt: skip
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    help="Serve /metrics (Prometheus), /livez and /readyz on this port.",
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True, envvar="HOST", show_envvar=True,
              help="The address to serve them on.")  # fmt: skip
@log_options
@collector_options
@patience_option
def s3(
    bucket: str,
    prefix: str,
    queue: str | None,
    once: bool,
    every: float,
    since: str | None,
    ledger: Path | None,
    format_: str,
    rejected: Path | None,
    batch: int,
    metrics_port: int | None,
    metrics_host: str,
    make_options: Callable[[], LogOptions],
    collector: str,
    write_key: str | None,
    patience: float,
) -> None:
    """Send the logs in a BUCKET of S3 to the collector: those that are there, and those that come.

    Objects are recognised as `tracker send` recognises files: logs of CloudFront (legacy, JSON, Parquet), S3 and ALB, compressed or not.
    BUCKET may be in the variable S3_BUCKET. Credentials, region and endpoint are those that boto3 finds (environment, profile, role).
    It needs the package boto3 (event-tracker-cli[s3]).

    It is safe to stop and start it at any time, to run it twice, and to lose its ledger: what is stored already is recognised.

    Exit code with --once: 0 if every line is stored, known or expired, 1 if some were rejected, 2 if it could not be finished, or an
    object could not be read.
    """
    logs = LogReader(make_options)
    logs.check()
    stopping = threading.Event()
    with ExitStack() as stack:
        store = stack.enter_context(closing(Ledger(ledger, bucket)))
        identifier = stack.enter_context(closing(EventIdMaker()))
        source = Bucket(make_client("s3"), bucket, prefix)
        messages = Queue(make_client("sqs"), queue, bucket, prefix) if queue and not once else None
        client = open_client("collector", collector, patience, write_key=write_key)
        tally = Tally(RefusedLines(rejected))
        loader = ObjectLoader(source, store, client, logs, identifier, tally, stopping, format_, batch)
        meter = stack.enter_context(Meter("objects", None))
        _watch(store, logs)

        def stop(*_: Any) -> None:
            stopping.set()
            client.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, stop))
        follower = BucketFollower(
            source, messages, store, loader, client, stopping, meter,
            every=every * 60, since=datetime.fromisoformat(since).timestamp() if since else 0.0,
        )  # fmt: skip
        if metrics_port:
            stack.enter_context(
                serve_health(metrics_host, metrics_port, lambda: loader.alive, lambda: follower.is_listed)
            )
        try:
            follower.read_once() if once else follower.follow()
        except (ServiceError, S3Error, OSError) as error:
            if not (stopping.is_set() and isinstance(error, ServiceError)):
                raise ServiceError(f"{error}\nStopped: {tally.counts()}. What is stored is recognised.") from None
        unread = store.unread()[0]
    click.echo(_summary(loader, tally, meter.seconds))
    if once:
        _exit(loader, tally, unread, is_stopped=stopping.is_set())


def _watch(ledger: Ledger, logs: LogReader) -> None:
    """Let the metric of the lag look at what was read, in earlier runs, too."""
    before = ledger.newest()

    def lag() -> float:
        known = [time for time in (before, logs.newest) if time is not None]
        # A server's clock may be a little ahead.
        return max(0.0, (datetime.now(UTC) - max(known)).total_seconds()) if known else float("nan")

    metrics.LAG.set_function(lag)


def _summary(loader: ObjectLoader, tally: Tally, seconds: float) -> str:
    ends = loader.ends
    known = f", {ends[End.KNOWN]:,} known" if ends[End.KNOWN] else ""
    gone = f", {ends[End.GONE]:,} deleted before" if ends[End.GONE] else ""
    passed_over = f", {ends[End.PASSED_OVER]:,} passed over" if ends[End.PASSED_OVER] else ""
    return f"{ends[End.READ]:,} objects read{known}{gone}{passed_over}; {tally.summary(seconds, dry_run=False)}"


def _exit(loader: ObjectLoader, tally: Tally, unread: int, *, is_stopped: bool) -> None:
    if is_stopped:
        raise InterruptedCommand("Interrupted. What is stored already is recognised the next time.")
    if unread or loader.ends[End.PASSED_OVER]:
        if unread:
            click.echo(f"{unread:,} objects could not be read.", err=True)
        sys.exit(EXIT_UNREADABLE)
    if tally.rejected:
        sys.exit(EXIT_REJECTED)
