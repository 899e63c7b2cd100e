"""`tracker s3` that is killed again and again, while objects come in no order and messages come twice."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import requests
from log_lines import COMBINED
from log_objects import make_objects
from log_site import LogSite
from log_truth import check_answers
from moto_server import LogBucket
from ports import free_port
from sent_files import Store
from waiting import wait_until

SEED = 5
KILLS = 3
TRACKER = Path(sys.executable).with_name("tracker")


def start(bucket: LogBucket, environment: dict[str, str], *arguments: str) -> "subprocess.Popen[bytes]":
    """The command as a process of its own."""
    command = [TRACKER, "s3", bucket.name, "--prefix", "logs/", "--batch", "7", "--every", "0.01", *arguments]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def kill_at(process: "subprocess.Popen[bytes]", store: Store, stored: int) -> None:
    """Kill it once so many events are stored."""
    wait_until(lambda: process.poll() is not None or store.stored >= stored, f"{stored} are stored")
    assert process.poll() is None, process.stdout and process.stdout.read().decode()
    process.kill()
    process.communicate()


def test_whenever_it_is_killed_every_number_is_the_truth(pair, bucket, store, environment, tmp_path):
    choose = random.Random(SEED)
    site = LogSite(SEED)
    truth = site.truth
    events = truth.page_views + truth.crawls + truth.errors
    objects = make_objects(site, SEED)
    bucket.notify()
    arguments = ["--queue", bucket.queue, "--ledger", str(tmp_path / "ledger")]
    done = 0
    for number in range(KILLS):
        for key, content in objects[done : (done := len(objects) * (number + 1) // (KILLS + 1))]:
            bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=content)
        now = store.stored
        kill_at(start(bucket, environment, *arguments), store, now + choose.randrange(1, events // (KILLS + 2)))
    for key, content in objects[done:]:
        bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=content)
    (tmp_path / "ledger").unlink()  # an old one, or none, makes no difference
    port = free_port()
    last = start(bucket, environment, *arguments, "--metrics-port", str(port))
    try:
        wait_until(lambda: last.poll() is not None or store.stored == events, "all are stored")
        read = f'tracker_s3_objects_total{{outcome="read"}} {len(objects):.1f}'
        wait_until(lambda: read in metrics(port), "all objects are read, those that were delivered twice, too")
        assert requests.get(f"http://127.0.0.1:{port}/livez", timeout=10).status_code == 200
        assert requests.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
        shown = metrics(port)
        assert "tracker_s3_unread_objects 0.0" in shown
        assert "tracker_s3_lag_seconds " in shown
        assert "tracker_s3_lag_seconds NaN" not in shown
        last.send_signal(signal.SIGTERM)
        output = last.communicate(timeout=60)[0].decode()
    finally:
        last.kill()
        last.communicate()
    assert last.returncode == 0, output
    assert f"{len(objects):,} objects read" in output
    assert store.stored == events
    check_answers(pair.query.url, truth, with_countries=False)


def test_on_sigterm_it_finishes_the_requests_under_way_and_goes_on_there_the_next_time(
    bucket, store, environment, read, tmp_path
):
    lines = 4000
    bucket.put("logs/a.log", "".join(COMBINED.replace("/a?b=c", f"/{number}") + "\n" for number in range(lines)))
    ledger = tmp_path / "ledger"
    process = start(bucket, environment, "--ledger", str(ledger))
    wait_until(lambda: process.poll() is not None or store.stored > 0, "some are stored")
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 0, output
    stored = store.stored
    assert 0 < stored < lines
    assert f"0 objects read; {stored:,} lines: {stored:,} stored, 0 duplicates" in output  # each request was answered
    result = read("--ledger", ledger)
    assert f"1 objects read; {lines:,} lines: {lines - stored:,} stored, {stored:,} duplicates" in result.output


def metrics(port: int) -> str:
    return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
