"""`tracker erase` and `tracker receipt check`, run against a real query service."""

import base64
import json
import os
from datetime import datetime, timedelta

import pytest
import requests
from commands import run_tracker
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key


@pytest.fixture
def tracker(start_service, postgres, database, owner):
    """A function that runs a command with a token with the scope admin. `tracker.query` is the query service."""
    given = {"DATABASE_URL": postgres.url(database, "query"), "CONTROL_DATABASE_URL": postgres.url(database, "control")}
    query = start_service("query", AUTH="required", SIGNING_KEY=make_signing_key(), **given)
    key = make_key("rt")
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'tests', %s, '{admin}')",
        [key.prefix, key.hash],
    )

    def run(*arguments, **environment):
        environment = {**os.environ, "QUERY_URL": query.url, "API_TOKEN": key.key, **environment}
        return run_tracker(*map(str, arguments), environment=environment)

    run.query = query
    return run


def changed(file, **more):
    """The receipt with another payload under the same signature."""
    answer = json.loads(file.read_text())
    head, payload, signature = answer["receipt"].split(".")
    told = json.loads(base64.urlsafe_b64decode(payload + "==="))
    payload = base64.urlsafe_b64encode(json.dumps({**told, **more}).encode()).decode().rstrip("=")
    copy = file.with_name("changed.json")
    copy.write_text(json.dumps({**answer, "receipt": f"{head}.{payload}.{signature}"}))
    return copy


def test_a_receipt_is_checked_by_who_has_the_file_and_knows_the_id(tracker, owner, tmp_path):
    owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type) values ('ann/b', now(), gen_random_uuid(), 'view')"
    )
    file, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    erased = tracker("erase", "ann/b", file)
    assert erased.returncode == 0, erased.stderr
    assert erased.stdout == "erased ann/b: events 1, rejections 0, links 0, event_counts 0, users 0\n"
    assert file.stat().st_mode & 0o777 == 0o600
    checked = tracker("receipt", "check", file, "--user", "ann/b")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("ann/b was erased on 20")
    assert "events: 1\n" in checked.stdout
    other = tracker("receipt", "check", file, "--user", "bob")
    assert (other.returncode, other.stderr) == (1, "Error: the receipt is genuine, but it isn't about bob\n")
    keys.write_bytes(requests.get(f"{tracker.query.url}/.well-known/jwks.json", timeout=30).content)
    tracker.query.stop()
    assert tracker("receipt", "check", file, "--user", "ann/b", "--keys", keys).returncode == 0
    for forged in (changed(file, counts={"events": 2}), changed(file, iat=0)):
        found = tracker("receipt", "check", forged, "--user", "ann/b", "--keys", keys)
        assert found.returncode == 1
        assert "isn't genuine" in found.stderr
    keys.write_text('{"keys": []}')
    assert "isn't genuine" in tracker("receipt", "check", file, "--user", "ann/b", "--keys", keys).stderr
    keys.write_text("no keys")
    assert "isn't genuine" in tracker("receipt", "check", file, "--user", "ann/b", "--keys", keys).stderr
    file.write_text("{}")
    assert "isn't an answer" in tracker("receipt", "check", file, "--user", "ann/b", "--keys", keys).stderr


def test_a_receipt_says_where_else_events_are_and_until_when(
    tracker, start_service, postgres, database, owner, tmp_path
):
    owner.execute(
        "insert into topics (name, topic_id, keep) values ('events', 'x', '14 days'), ('for.ever', 'y', null)"
    )
    given = {"DATABASE_URL": postgres.url(database, "query"), "CONTROL_DATABASE_URL": postgres.url(database, "control")}
    query = start_service("query", AUTH="required", SIGNING_KEY=make_signing_key(), TOPIC_ARCHIVE_DAYS=30, **given)
    file = tmp_path / "receipt.json"
    erased = tracker("erase", "ann", file, QUERY_URL=query.url)
    assert erased.returncode == 0, erased.stderr
    at = datetime.fromisoformat(json.loads(file.read_text())["at"])
    until = {days: f"{at + timedelta(days=days):%Y-%m-%d at %H:%M} UTC" for days in (14, 30)}
    said = [
        f"Events from before may still be in the topic events until {until[14]}.",
        "Events from before may still be in the topic for.ever for ever.",
        f"Events from before may still be in the archive of topics until {until[30]}.",
    ]
    assert erased.stdout.splitlines()[1:] == said
    checked = tracker("receipt", "check", file, "--user", "ann", QUERY_URL=query.url)
    assert checked.stdout.splitlines()[-3:] == said


@pytest.mark.parametrize("user_id", ["carol\n", "\n", "/", ".", "..", "q/export", " ", "a+b&c=d#e?f%2F", "\U0010ffff"])
def test_any_id_is_erased_and_nobody_else(tracker, owner, tmp_path, user_id):
    near = f"{user_id}\n"
    for name in (user_id, near):
        owner.execute(
            "insert into events (user_id, timestamp, event_id, event_type) values (%s, now(), gen_random_uuid(), 'view')",
            [name],
        )
    file = tmp_path / "receipt.json"
    erased = tracker("erase", user_id, file)
    assert erased.returncode == 0, erased.stderr
    assert json.loads(file.read_text())["counts"]["events"] == 1
    assert owner.execute("select user_id from events").fetchall() == [(near,)]
    assert tracker("receipt", "check", file, "--user", user_id).returncode == 0
    assert tracker("receipt", "check", file, "--user", near).returncode == 1


def test_a_receipt_says_that_it_was_anonymised(tracker, owner, tmp_path):
    owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type) values ('ann', now(), gen_random_uuid(), 'view')"
    )
    erased = tracker("erase", "ann", tmp_path / "receipt.json", "--anonymise")
    assert erased.stdout.startswith("anonymised ann: events 1, "), erased.stderr
    checked = tracker("receipt", "check", tmp_path / "receipt.json", "--user", "ann")
    assert checked.stdout.startswith("ann was anonymised on 20")
    assert owner.execute("select user_id like 'anonymous-%' from events").fetchall() == [(True,)]


def test_a_file_that_is_there_stays_and_nothing_is_erased(tracker, owner, tmp_path):
    owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type) values ('ann', now(), gen_random_uuid(), 'view')"
    )
    file = tmp_path / "receipt.json"
    file.write_text("another one")
    found = tracker("erase", "ann", file)
    assert found.returncode == 1
    assert "is there already" in found.stderr
    assert file.read_text() == "another one"
    file.unlink()
    refused = tracker("erase", "ann", file, API_TOKEN="rt_0123456789_" + "0" * 40)
    assert refused.returncode == 2
    assert not file.exists()
    assert owner.execute("select count(*) from events").fetchone() == (1,)
