"""`tracker outbox run` that is killed again and again, and while the collector is unavailable."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import requests
from meanwhile import Meanwhile
from ports import free_port
from sent_files import Store
from waiting import wait_until

TRACKER = Path(sys.executable).with_name("tracker")
EVENTS = 2000
KILLS = 4
WAITING = "select count(*) from event_tracker.outbox"


def start(url: str, collector: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """The command as a process of its own."""
    environment = {**os.environ, "OUTBOX_DATABASE_URL": url, "COLLECTOR_URL": collector}
    command = [TRACKER, "outbox", "run", "--batch", "20", "--every", "0.05", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def fill(app: psycopg.Connection) -> None:
    for number in range(EVENTS // 4):
        with app.transaction():
            for _ in range(4):
                app.execute("select event_tracker.track(%s, 'view', '{}')", [f"user {number % 50}"])


def test_whenever_it_is_killed_each_event_is_stored_once(app, outbox_url, outbox_owner, store):
    choose = random.Random(5)
    filling = Meanwhile(lambda: fill(app))
    for number in range(KILLS):
        process = start(outbox_url, store.url)
        enough = EVENTS * number // (KILLS + 1) + choose.randrange(1, 200)
        wait_until(lambda enough=enough: store.stored >= enough, "some are stored")
        process.kill()
        process.wait()
    filling.end()
    assert outbox_owner.execute(WAITING).fetchone()[0] > 0
    last = [start(outbox_url, store.url), start(outbox_url, store.url)]
    try:
        wait_until(lambda: outbox_owner.execute(WAITING).fetchone()[0] == 0, "all are sent")
        for process in last:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(60) for process in last] == [0, 0]
    finally:
        for process in last:
            process.kill()
            process.wait()
    assert store.stored == EVENTS


def value(port: int, name: str) -> float:
    lines = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_the_lag_grows_while_the_collector_is_unavailable(app, outbox_url, start_service, postgres, database, owner):
    port, metrics_port = free_port(), free_port()
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), PORT=port)
    process = start(outbox_url, collector.url, "--patience", "600", "--metrics-port", str(metrics_port))
    store = Store(collector.url, owner)
    try:
        app.execute("select event_tracker.track('ann', 'view', '{}')")
        wait_until(lambda: store.stored == 1, "it is stored")
        wait_until(lambda: value(metrics_port, "tracker_outbox_lag_seconds") == 0, "nothing waits")
        assert requests.get(f"http://127.0.0.1:{metrics_port}/readyz", timeout=10).status_code == 200
        collector.kill()
        app.execute("select event_tracker.track('ann', 'view', '{}')")
        wait_until(lambda: value(metrics_port, "tracker_outbox_lag_seconds") > 1, "the lag grows")
        assert value(metrics_port, "tracker_outbox_waiting_events") == 1
        start_service("collector", DATABASE_URL=postgres.url(database, "collector"), PORT=port)
        wait_until(lambda: store.stored == 2, "it is stored, too")
        wait_until(lambda: value(metrics_port, "tracker_outbox_lag_seconds") == 0, "nothing waits")
    finally:
        process.kill()
        process.wait()
