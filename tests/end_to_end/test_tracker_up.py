"""From an empty folder to answers and back, as a newcomer: over HTTP and the command line. Imports nothing of ours."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid

import psutil
import pytest
import requests
from ports import free_port

pytestmark = pytest.mark.services

TRACKER = [sys.executable, "-m", "event_tracker.cli"]


@pytest.fixture
def folder(tmp_path):
    empty = tmp_path / "empty folder"
    empty.mkdir()
    return empty


@pytest.fixture
def environment():
    """This process's, without what would point the tracker at another database."""
    return {name: value for name, value in os.environ.items() if "DATABASE" not in name}


class Up:
    """A running `tracker up`."""

    def __init__(self, folder, environment):
        ports = [free_port(), free_port(), free_port()]
        self.collector, self.query, self.dashboard = (f"http://127.0.0.1:{port}" for port in ports)
        self.output = folder / "up.log"
        with self.output.open("w") as output:
            options = [
                f"--{name}-port={port}" for name, port in zip(("collector", "query", "dashboard"), ports, strict=True)
            ]
            command = [*TRACKER, "up", *options]
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 120
        ready = [f"{self.query}/readyz", f"{self.collector}/readyz", f"{self.dashboard}/_stcore/health"]
        while not all(map(self.answers, ready)):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)

    @staticmethod
    def answers(url):
        try:
            return requests.get(url, timeout=2).ok
        except requests.RequestException:
            return False

    def stop(self, sig):
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(sig)
        code = self.process.wait(60)
        deadline = time.monotonic() + 2  # shorter than a service's drain
        while (left := [one for one in family if self.runs(one)]) and time.monotonic() < deadline:
            time.sleep(0.1)
        return code, left

    @staticmethod
    def runs(process):
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def test_events_go_in_and_answers_come_out_and_a_restart_keeps_them(folder, environment):
    up = Up(folder, environment)
    events = [
        {
            "user_id": user,
            "event_type": kind,
            "event_id": str(uuid.uuid4()),
            "timestamp": f"2026-03-01T10:00:{second:02}Z",
        }
        for second, (user, kind) in enumerate([("ann", "view"), ("bob", "view"), ("ann", "click"), ("ann", "buy")])
    ]
    assert requests.post(f"{up.collector}/events", json=events[0], timeout=30).status_code == 201
    assert requests.post(f"{up.collector}/events", json=events, timeout=30).json() == {
        "received": 4, "stored": 3, "duplicates": 1, "rejected": 0,
    }  # fmt: skip
    page = requests.get(f"{up.query}/events", params={"user_id": "ann", "limit": 2}, timeout=30).json()
    assert [event["event_type"] for event in page["events"]] == ["buy", "click"]
    rest = requests.get(
        f"{up.query}/events", params={"user_id": "ann", "limit": 2, "cursor": page["next_cursor"]}, timeout=10
    ).json()
    assert [event["event_type"] for event in rest["events"]] == ["view"]
    assert rest["next_cursor"] is None

    file = folder / "more.ndjson"
    file.write_text("\n".join(json.dumps({**event, "user_id": "cay"}) for event in events))
    send = [*TRACKER, "send", str(file), "--collector", up.collector]
    assert subprocess.run(send, cwd=folder, env=environment, timeout=60, check=False).returncode == 0
    shown = subprocess.run(
        [*TRACKER, "events", "cay", "--json", "--query", up.query],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert [json.loads(line)["event_type"] for line in shown.stdout.splitlines()] == ["buy", "click", "view", "view"]
    before = requests.get(f"{up.query}/stats/top-types", timeout=30).json()
    assert before["total"] == 8
    assert [(item["event_type"], item["count"]) for item in before["items"]] == [("view", 4), ("buy", 2), ("click", 2)]
    assert up.stop(signal.SIGTERM) == (0, [])

    again = Up(folder, environment)
    after = requests.get(f"{again.query}/stats/top-types", timeout=30).json()
    assert (after["items"], after["total"]) == (before["items"], before["total"])
    assert again.stop(signal.SIGINT) == (0, [])
