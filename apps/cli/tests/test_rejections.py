"""`tracker rejections`, run as a process."""

import json

import pytest
import requests
from waiting import eventually

from event_tracker.cli.terminal import printable


@pytest.fixture
def done(tracker):
    """A function that runs a command, checks that it succeeds, and returns its output."""

    def done(*arguments, **options):
        result = tracker(*arguments, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return done


def test_a_mistake_is_seen_mended_and_replayed(done, collector, owner):
    done("schema", "set", "default", "purchase", "-", stdin='{"properties": {"amount": {"type": "number"}}}')
    owner.execute("update sources set schema_mode = 'enforce' where name = 'default'")
    event = {"user_id": "ann", "event_type": "purchase", "properties": {"amount": "10"}}
    tried = f"{collector.url}/events?dry_run=true"
    assert eventually(lambda: requests.post(tried, json=event, timeout=30).status_code == 422)
    assert requests.post(f"{collector.url}/events", json=[event, {"user_id": "bob"}], timeout=30).status_code == 422
    # A collector stores them after it has answered.
    assert eventually(lambda: {"schema_violation", "required"} <= set(done("rejections", "count").split()))
    (line,) = done("rejections", "list", "--reason", "schema_violation", "--type", "purchase").splitlines()
    found = json.loads(line)
    assert (found["user_id"], json.loads(found["payload"])) == ("ann", event)
    assert done("rejections", "list", "--source", "elsewhere") == ""
    done("schema", "set", "default", "purchase", "-", stdin="{}")
    asked = done("rejections", "replay", "default", "--id", found["id"])
    assert asked == "1 events of source default will be tried again\n"
    rows = eventually(lambda: owner.execute("select event_id::text from events").fetchall())
    assert rows == [(found["id"],)]
    # The rejection is deleted after the event is stored.
    assert eventually(lambda: "schema_violation" not in done("rejections", "count", "--source", "default"))


@pytest.mark.parametrize("event_type", ["[/bold]", "[red]x", "\x1b[31mred", "\u202erow"])
def test_what_was_refused_neither_breaks_the_table_nor_steers_the_terminal(done, collector, event_type):
    requests.post(f"{collector.url}/events", json={"user_id": "", "event_type": event_type}, timeout=30)
    counted = eventually(lambda: "length" in (counted := done("rejections", "count")) and counted)
    assert printable(event_type) in counted
    assert not {"\x1b", "\u202e"}.intersection(counted)
