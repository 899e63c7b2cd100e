"""`tracker s3` while a bucket grows: messages, listings that begin late, and failures of the services meanwhile."""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from log_lines import COMBINED
from log_readers import log_reader
from moto_server import CREDENTIALS
from waiting import wait_until

from event_tracker.cli.client import Client
from event_tracker.cli.ingest.event_ids import EventIdMaker
from event_tracker.cli.ingest.s3 import command, metrics
from event_tracker.cli.ingest.s3.bucket import Bucket, make_client
from event_tracker.cli.ingest.s3.follower import BucketFollower
from event_tracker.cli.ingest.s3.key_times import ListingStarts, read_key_time
from event_tracker.cli.ingest.s3.ledger import Ledger, Result
from event_tracker.cli.ingest.s3.loader import ObjectLoader
from event_tracker.cli.ingest.s3.messages import Queue
from event_tracker.cli.ingest.s3.refused_lines import RefusedLines
from event_tracker.cli.ingest.tally import Tally
from event_tracker.cli.progress import Meter

NEVER, ALWAYS = math.inf, 0.05
"""Seconds between two listings."""


def line(path: str) -> str:
    return COMBINED.replace("/a?b=c", path) + "\n"


def key(hour: int, day: int = 1, name: str = "a") -> str:
    return f"logs/E2EXAMPLE.2026-10-{day:02}-{hour:02}.{name}.gz"


@pytest.fixture
def follow(bucket, store, proxy, monkeypatch):
    """Follows the bucket in a thread until the end of the context."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)

    @contextmanager
    def run(*, every: float, patience: float = 60.0, url: str | None = None) -> Iterator[None]:
        stopping = threading.Event()

        def work() -> None:
            with closing(Ledger(None, bucket.name)) as ledger, closing(EventIdMaker()) as identifier:
                source = Bucket(make_client("s3"), bucket.name, "logs/")
                queue = Queue(make_client("sqs"), bucket.queue, bucket.name, "logs/", wait_seconds=0)
                client = Client("collector", url or store.url, patience)
                loader = ObjectLoader(
                    source, ledger, client, log_reader(), identifier, Tally(RefusedLines(None)), stopping
                )
                meter = Meter("objects", None)
                BucketFollower(source, queue, ledger, loader, client, stopping, meter, every=every).follow()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(60)
            assert not thread.is_alive()

    return run


def pages(store) -> list[str]:
    return sorted(page for (page,) in store.rows("properties ->> 'page'"))


def value(metric, *labels: str) -> float:
    child = metric.labels(*labels) if labels else metric
    return float(child._value.get())


def test_messages_are_hints_which_objects_to_read(bucket, follow, store, proxy):
    bucket.notify()  # S3 sends a test event
    before = value(metrics.OBJECTS, "read")
    with follow(every=NEVER):
        wait_until(lambda: bucket.messages() == 0, "the test event is deleted")
        bucket.put("logs/a b+c%20é.gz", line("/a"))
        bucket.put("other/b.gz", line("/b"))
        wait_until(
            lambda: pages(store) == ["/a"] and bucket.messages() == 0, "the object is stored, and its message deleted"
        )
        told = {
            "Records": [
                {
                    "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": bucket.name}, "object": {"key": "logs%2Fc.gz"}},
                }
            ]
        }
        bucket.s3.put_bucket_notification_configuration(Bucket=bucket.name, NotificationConfiguration={})
        bucket.put("logs/c.gz", line("/c"))
        for _ in range(3):  # at least once; and by SNS
            bucket.sqs.send_message(QueueUrl=bucket.queue, MessageBody=json.dumps(told))
        bucket.sqs.send_message(
            QueueUrl=bucket.queue, MessageBody=json.dumps({"Type": "Notification", "Message": json.dumps(told)})
        )
        wait_until(lambda: pages(store) == ["/a", "/c"] and bucket.messages() == 0, "it was read once")
        for other in (
            {**told["Records"][0], "eventName": "ObjectRemoved:Delete"},
            {**told["Records"][0], "s3": {"bucket": {"name": "another"}, "object": {"key": "logs%2Fd.gz"}}},
            {**told["Records"][0], "s3": {"bucket": {"name": bucket.name}, "object": {"key": "logs%2Fgone.gz"}}},
        ):
            bucket.sqs.send_message(QueueUrl=bucket.queue, MessageBody=json.dumps({"Records": [other]}))
        wait_until(lambda: bucket.messages() == 0, "messages about nothing are deleted")
    assert [one for one in proxy.gets() if one.startswith("logs/")].count("logs/gone.gz") == 1
    assert value(metrics.OBJECTS, "read") == before + 2


def test_messages_of_what_cannot_be_read_stay_for_the_queue_to_make_dead_letters_of(bucket, follow, store):
    bucket.notify()
    errors = value(metrics.ERRORS, "message")
    with follow(every=NEVER):
        wait_until(lambda: bucket.messages() == 0, "the test event is deleted")
        bucket.sqs.send_message(QueueUrl=bucket.queue, MessageBody="hello")
        bucket.put("logs/broken.gz", line("/a"))
        bucket.s3.put_object(Bucket=bucket.name, Key="logs/broken.gz", Body=b"\x1f\x8bhello")
        bucket.put(key(1), line("/b"))
        wait_until(lambda: pages(store)[-1:] == ["/b"], "the other is read")
    assert bucket.messages() >= 2
    assert value(metrics.ERRORS, "message") == errors + 1


def test_what_no_message_tells_the_next_listing_finds(bucket, follow, store):
    with follow(every=ALWAYS):
        bucket.put(key(5), line("/a"))
        wait_until(lambda: pages(store) == ["/a"])
        bucket.put(key(1), line("/late"))  # late files come before the newest name
        wait_until(lambda: pages(store) == ["/a", "/late"])


def test_a_listing_begins_25_hours_before_the_newest_complete_hour(bucket, follow, store, proxy):
    for day in range(1, 9):
        bucket.put(key(0, day), line(f"/{day}"))
    with follow(every=ALWAYS):
        wait_until(lambda: len(pages(store)) == 8, "all are read")
        asked = len(proxy.asked)
        bucket.put(key(22, 6, "late"), line("/in-time"))
        bucket.put(key(21, 6, "late"), line("/too-late"))
        bucket.put("logs/ANOTHER.2026-10-01-00.a.gz", line("/another"))
        wait_until(
            lambda: {"/in-time", "/another"} <= {*pages(store)}, "late ones, and other groups of keys, are found"
        )
        listings = [path for _, path in proxy.asked[asked:] if "list-type" in path]
        assert any("start-after=logs/E2EXAMPLE.2026-10-06-22" in path.replace("%2F", "/") for path in listings)
        assert "/too-late" not in pages(store)  # until all keys are listed, once a day


def test_a_collector_that_is_unavailable_for_a_while_costs_nothing(bucket, follow, store, monkeypatch):
    refused = Client.post
    fails = [3]

    def post(self: Client, *arguments: object) -> bytes:
        if fails[0]:
            fails[0] -= 1
            self.url, url = "http://127.0.0.1:9", self.url
            try:
                return refused(self, *arguments)  # type: ignore[arg-type]
            finally:
                self.url = url
        return refused(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "post", post)
    bucket.put(key(1), line("/a"))
    errors = value(metrics.ERRORS, "collector")
    with follow(every=ALWAYS, patience=0):
        wait_until(lambda: pages(store) == ["/a"], "it is stored once the collector answers")
    assert value(metrics.ERRORS, "collector") == errors + 3


def test_a_failure_of_s3_costs_nothing(bucket, follow, store, proxy):
    bucket.put(key(1), line("/a"))
    fails = [20]

    def fail(method: str, path: str) -> tuple[int, bytes] | None:
        if "list-type" in path and fails[0]:
            fails[0] -= 1
            return 403, b"<Error><Code>AccessDenied</Code></Error>"
        return None

    proxy.hook = fail
    fails[0] = 2
    with follow(every=ALWAYS):
        wait_until(lambda: pages(store) == ["/a"], "it is stored once S3 answers")
    assert value(metrics.LAST_LISTING) > 0


@pytest.mark.parametrize(
    ("name", "group", "time"),
    [
        ("logs/E2EXAMPLE.2026-10-01-07.ab12.gz", "logs/E2EXAMPLE.", "2026-10-01T07"),
        ("AWSLogs/123456789012/CloudFront/E2/2026/10/01/07/E2.2026-10-01-07.x.gz", "AWSLogs/123456789012/CloudFront/E2/", "2026-10-01T07"),
        ("l/year=2026/month=10/day=01/hour=07/x.parquet", "l/year=", "2026-10-01T07"),
        ("s3/2026-10-01-07-15-01-ABCDEF0123456789", "s3/", "2026-10-01T07"),
        ("AWSLogs/1/elasticloadbalancing/eu-central-1/2026/10/01/1_x_20261001T0705Z_1.2.3.4_z.log.gz",
         "AWSLogs/1/elasticloadbalancing/eu-central-1/", "2026-10-01T00"),
        ("logs/2026-13-01-07.gz", None, None),
        ("logs/x.gz", None, None),
    ],
)  # fmt: skip
def test_the_time_that_a_key_tells(name, group, time):
    found = read_key_time(name)
    assert (found and found.group, found and f"{found.time:%Y-%m-%dT%H}") == (group, time)
    if found:
        assert name.startswith(found.start(found.time))


def test_a_mark_is_never_behind_what_is_still_unread():
    starts = ListingStarts()
    names = [key(0, day) for day in range(1, 9)]
    for name in names:
        starts.see(name)
    starts.finish_listing([])
    assert starts.start_of(names[0]) == "logs/E2EXAMPLE.2026-10-06-22"
    assert starts.start_of("logs/ANOTHER.2026-10-01-00.x.gz") is None
    starts.finish_listing([names[2], names[5], "logs/x"])
    assert starts.start_of(names[0]) == "logs/E2EXAMPLE.2026-10-03-00"
    starts.forget()
    assert starts.start_of(names[0]) is None


def test_the_lag_is_never_negative_and_a_ledger_has_no_newest_request_of_the_future():
    now = datetime.now(UTC)
    with closing(Ledger(None, "logs")) as ledger:
        logs = log_reader()
        command._watch(ledger, logs)
        assert math.isnan(metrics.LAG.collect()[0].samples[0].value)
        logs.newest = now + timedelta(minutes=1)
        assert metrics.LAG.collect()[0].samples[0].value == 0
        for number, time in enumerate((now - timedelta(hours=2), now + timedelta(days=1))):
            ledger.finish(f"key-{number}", "etag", Result(newest=time))
        assert ledger.newest() == now - timedelta(hours=2)
