"""`tracker s3 --once`: which objects it reads, and what becomes of those that it can't."""

import gzip
import json
import sqlite3
import sys
import time
from urllib.parse import quote

import click
import pytest
import requests
from click.testing import CliRunner
from cloudfront_logs import CloudFrontLogs
from log_lines import ALB, COMBINED, S3
from ports import free_port

from event_tracker.cli.health import LIVE_SECONDS, serve_health
from event_tracker.cli.ingest.s3 import bucket as bucket_module
from event_tracker.cli.simulate.simulate import simulate
from event_tracker.cli.simulate.verify import verify

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
LOGS = CloudFrontLogs(7, 40)
HOURS = [f"logs/E2EXAMPLE.2026-10-01-{hour:02}.{hour:08x}.gz" for hour in range(8)]


def line(path: str) -> str:
    return COMBINED.replace("/a?b=c", path) + "\n"


def test_objects_of_every_format_are_read_and_those_of_another_prefix_are_not(bucket, read, store):
    bucket.put(HOURS[0], LOGS.legacy(LOGS.requests, "now"))
    bucket.put("logs/v2/2026/10/01/00/a b+c.gz", LOGS.json_lines())
    bucket.put("logs/v2/a.parquet", LOGS.parquet())
    bucket.put("logs/2026-10-01-00-10-11-1234567890ABCDEF", S3 + "\n")
    bucket.put("logs/AWSLogs/1/elasticloadbalancing/x_20261001T0000Z_1.log.gz", ALB + "\n")
    bucket.put("logs/folder/", "")
    bucket.put("other/x.gz", line("/other"))
    result = read("--also", "all")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].startswith(
        "5 objects read; 122 lines: 42 stored, 80 duplicates, 0 rejected."
    ), result.output
    assert store.stored == 42


def test_simulated_logs_give_the_answers_that_are_known(bucket, read, pair, tmp_path):
    logs, truth = tmp_path / "logs", tmp_path / "truth.json"
    options = ["--days", "14", "--users", "20", "--log-format", "cloudfront-json"]
    written = CliRunner().invoke(simulate, ["--logs", str(logs), "--truth", str(truth), *options])
    assert written.exit_code == 0, written.output
    for file in logs.iterdir():
        bucket.put(f"logs/{file.name}", gzip.decompress(file.read_bytes()))
    result = read()
    assert result.exit_code == 0, result.output
    checked = CliRunner().invoke(verify, [str(truth), "--query", pair.query.url])
    assert checked.exit_code == 0, checked.output


def test_a_listing_goes_over_pages(bucket, read, store, monkeypatch, proxy):
    monkeypatch.setattr(bucket_module, "PAGE_KEYS", 3)
    for number, key in enumerate(HOURS):
        bucket.put(key, line(f"/{number}"))
    assert "8 objects read; 8 lines: 8 stored" in read().output
    assert sum("list-type" in path for _, path in proxy.asked) == 3
    assert proxy.gets() == HOURS


def test_a_ledger_saves_reading_again_and_what_was_rewritten_is_read(bucket, read, store, tmp_path, proxy):
    ledger = tmp_path / "ledger"
    for key in HOURS[:2]:
        bucket.put(key, line("/a") + line("/b"))
    assert "2 objects read; 4 lines: 2 stored, 2 duplicates" in read("--ledger", ledger).output
    assert (
        "2 objects read; 4 lines: 0 stored, 4 duplicates" in read().output
    )  # without it nothing is stored twice either
    proxy.asked.clear()
    bucket.put(HOURS[1], line("/a") + line("/b") + line("/c"))
    result = read("--ledger", ledger)
    assert "1 objects read; 3 lines: 1 stored, 2 duplicates" in result.output
    assert proxy.gets() == [HOURS[1]]
    rows = sqlite3.connect(ledger).execute("select key, lines, stored, duplicates from objects").fetchall()
    assert rows == [(HOURS[0], 2, 2, 0), (HOURS[1], 3, 1, 2)]
    assert "0 objects read" in read("--ledger", ledger).output


def test_objects_from_before_a_time_are_left_out(bucket, read):
    bucket.put(HOURS[0], line("/a"))
    assert "0 objects read" in read("--since", "2100-01-01T00:00:00Z").output
    assert "1 objects read" in read("--since", "2020-01-01T00:00:00Z").output


def test_an_object_that_is_deleted_before_it_is_read_costs_nothing(bucket, read, proxy):
    for key in HOURS[:2]:
        bucket.put(key, line(f"/{key}"))

    def delete(method: str, path: str) -> None:
        if path.endswith(HOURS[0]):
            bucket.s3.delete_object(Bucket=bucket.name, Key=HOURS[0])

    proxy.hook = delete
    result = read()
    assert result.exit_code == 0
    assert "1 objects read, 1 deleted before; 1 lines: 1 stored" in result.output


def test_an_object_that_is_rewritten_between_listing_and_reading_is_noted_as_it_was_read(bucket, read, proxy, tmp_path):
    bucket.put(HOURS[0], line("/a"))

    def rewrite(method: str, path: str) -> None:
        if path.endswith(HOURS[0]):
            proxy.hook = lambda method, path: None
            bucket.put(HOURS[0], line("/b"))

    proxy.hook = rewrite
    assert "1 objects read; 1 lines: 1 stored" in read("--ledger", tmp_path / "ledger").output
    assert "0 objects read" in read("--ledger", tmp_path / "ledger").output


def test_throttling_is_tried_again(bucket, read, proxy):
    bucket.put(HOURS[0], line("/a"))
    left = {"list-type": 1, HOURS[0]: 2}

    def slow_down(method: str, path: str) -> tuple[int, bytes] | None:
        for part in left:
            if part in path and left[part]:
                left[part] -= 1
                return 503, SLOW_DOWN
        return None

    proxy.hook = slow_down
    result = read()
    assert result.exit_code == 0, result.output
    assert "1 objects read; 1 lines: 1 stored" in result.output
    assert left == {"list-type": 0, HOURS[0]: 0}


def test_a_connection_that_breaks_within_an_object_costs_no_line(bucket, read, proxy, tmp_path):
    bucket.put(HOURS[0].removesuffix(".gz"), "".join(line(f"/{number}") for number in range(5000)))
    breaks = [300_000]
    proxy.hook = lambda method, path: breaks.pop() if breaks and "list-type" not in path else None
    result = read("--ledger", tmp_path / "ledger")
    assert result.exit_code == 0, result.output
    assert "It will be tried again." in result.output
    assert "1 objects read; " in result.output
    assert "5,000 stored" in result.output


def test_broken_objects_are_tried_again_then_passed_over_and_cost_no_other(bucket, read, store, tmp_path, proxy):
    content = gzip.compress("".join(line(f"/{number}") for number in range(500)).encode())
    bucket.s3.put_object(Bucket=bucket.name, Key=HOURS[0], Body=content[:-20])
    bucket.put("logs/strange", "hello\n")
    bucket.put(HOURS[1], line("/whole"))
    result = read("--ledger", tmp_path / "ledger")
    assert result.exit_code == 2
    assert f"Error: {HOURS[0]} can't be read and is passed over: Compressed file ended" in result.output
    assert "Error: logs/strange can't be read and is passed over: The content of strange doesn't tell" in result.output
    assert "1 objects read, 2 passed over; " in result.output
    assert proxy.gets().count(HOURS[0]) == 3
    assert ("/whole",) in store.rows("properties ->> 'page'")
    again = read("--ledger", tmp_path / "ledger")
    assert (again.exit_code, "0 objects read; 0 lines" in again.output) == (0, True)
    bucket.s3.put_object(Bucket=bucket.name, Key=HOURS[0], Body=content)  # it is written once more, complete
    mended = read("--ledger", tmp_path / "ledger")
    assert "1 objects read; 500 lines: " in mended.output
    assert store.stored == 501


def test_an_object_that_may_not_be_read_is_not_passed_over(bucket, read, proxy, tmp_path):
    for key in HOURS[:2]:
        bucket.put(key, line(f"/{key}"))
    proxy.hook = lambda method, path: (403, DENIED) if path.endswith(HOURS[0]) else None
    result = read("--ledger", tmp_path / "ledger")
    assert result.exit_code == 2
    assert "1 objects could not be read." in result.output
    proxy.hook = lambda method, path: None
    assert "1 objects read; 1 lines: 1 stored" in read("--ledger", tmp_path / "ledger").output


def test_refused_lines_are_told_with_their_object(bucket, read, tmp_path):
    bucket.put(HOURS[0], line("/a") + "cut off\n")
    bucket.put(HOURS[1], line("/b") + "\nhello\n")
    file = tmp_path / "rejected.ndjson"
    for _ in range(2):
        result = read("--rejected", file)
        assert result.exit_code == 1
        assert f"2 times invalid_log_line, as in {HOURS[0]}, line 2: " in result.output
    written = [json.loads(text) for text in file.read_text().splitlines()]
    assert [(one["file"], one["line"], one["event"]) for one in written] == [
        (HOURS[0], 2, "cut off"),
        (HOURS[1], 3, "hello"),
    ] * 2


@pytest.mark.parametrize(
    ("arguments", "changed", "said"),
    [
        ([], {"VISITOR_SECRET": ""}, "head -c 32 /dev/urandom"),
        ([], {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "Unable to locate credentials"),
        (["--ledger", "/proc/nothing"], {}, "The ledger /proc/nothing can't be used"),
        ([], {"COLLECTOR_URL": "http://127.0.0.1:9"}, "No collector answers"),
    ],
)
def test_what_cannot_work_is_said_and_nothing_is_sent(bucket, read, store, arguments, changed, said):
    bucket.put(HOURS[0], line("/a"))
    result = read(*arguments, **changed)
    assert result.exit_code == 2
    assert said in result.output, result.output
    assert store.stored == 0


def test_a_bucket_that_does_not_exist_is_told(bucket, read):
    bucket.s3.delete_bucket(Bucket=bucket.name)
    result = read()
    assert result.exit_code == 2
    assert "NoSuchBucket" in result.output


def test_keys_are_read_whatever_their_characters(bucket, read, proxy):
    key = "logs/a b+c%20é.gz"
    bucket.put(key, line("/a"))
    assert "1 objects read; 1 lines: 1 stored" in read().output
    assert proxy.gets() == [quote(key)]


def test_without_boto3_it_says_what_to_install(bucket, read, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    result = read()
    assert result.exit_code == 2
    assert "S3 is read with boto3, which isn't installed: pip install boto3." in result.output


def test_a_command_that_is_stuck_is_not_alive():
    port = free_port()
    last = [time.monotonic()]
    with serve_health("127.0.0.1", port, lambda: last[0], lambda: False):
        assert requests.get(f"http://127.0.0.1:{port}/livez", timeout=10).status_code == 200
        assert "tracker_s3_lines_total" in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 503
        last[0] -= LIVE_SECONDS
        assert requests.get(f"http://127.0.0.1:{port}/livez", timeout=10).status_code == 503
        with (
            pytest.raises(click.UsageError, match=f"on port {port}: Address already in use"),
            serve_health("127.0.0.1", port, time.monotonic, lambda: True),
        ):
            pass
