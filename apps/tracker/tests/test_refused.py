"""`tracker rejections`, as run."""

import json
import os
import subprocess
import sys
import time

import pytest
import requests


@pytest.fixture
def tracker(postgres, database):
    """Runs a command of the owner's on this test's database."""

    def run(*arguments, text=None):
        done = subprocess.run(
            [sys.executable, "-m", "tracker", *arguments],
            env={**os.environ, "DATABASE_URL": postgres.url(database), "COLUMNS": "160"},
            input=text, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_mistake_is_seen_mended_and_replayed(tracker, collector, owner):
    tracker("schema", "set", "default", "purchase", "-", text='{"properties": {"amount": {"type": "number"}}}')
    owner.execute("update sources set schema_mode = 'enforce' where name = 'default'")
    event = {"user_id": "ann", "event_type": "purchase", "properties": {"amount": "10"}}
    for _ in range(100):
        if requests.post(f"{collector.url}/events?dry_run=true", json=event, timeout=10).status_code == 422:
            break
        time.sleep(0.1)
    assert requests.post(f"{collector.url}/events", json=[event, {"user_id": "bob"}], timeout=10).status_code == 422
    for _ in range(100):
        if "schema_violation" in (counted := tracker("rejections", "count")):
            break
    assert "required" in counted
    (line,) = tracker("rejections", "list", "--reason", "schema_violation", "--type", "purchase").splitlines()
    found = json.loads(line)
    assert (found["user_id"], json.loads(found["payload"])) == ("ann", event)
    assert tracker("rejections", "list", "--source", "elsewhere") == ""
    tracker("schema", "set", "default", "purchase", "-", text="{}")
    asked = tracker("rejections", "replay", "default", "--id", found["id"])
    assert asked == "1 events of source default will be tried again\n"
    for _ in range(100):
        if rows := owner.execute("select event_id::text from events").fetchall():
            break
        time.sleep(0.1)
    assert rows == [(found["id"],)]
    assert "schema_violation" not in tracker("rejections", "count", "--source", "default")
