"""The chaos run, short and gentle; and that its checks find what they are there to find."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from uuid import UUID

import pytest
import requests
from click.testing import CliRunner
from definitions.product import as_sent
from definitions.reference.events import Event

from event_tracker.cli.database.maintain import maintain

from .check_rows import check_rows, stored_events
from .check_tables import check_blocks, check_counts, check_forgotten, check_users
from .ledger import Erasure, Ledger, Presence, key_of
from .linking import check_links
from .report import Report

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[2]
PATHS = ("tests", "tests/support", "apps/query/tests")
MAX_SECONDS = 280
T0 = datetime(2025, 3, 1, 10, tzinfo=UTC)


def test_a_gentle_run_finds_nothing():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / path) for path in PATHS)}
    command = [sys.executable, "-m", "chaos", "--gentle", "--seed", "1", "--seconds", "12"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            said, _ = run.communicate(timeout=MAX_SECONDS)
        finally:
            run.terminate()  # it stops what it has started
    assert run.returncode == 0, said
    assert said.startswith("seed 1\n")
    assert "nothing wrong" in said


def event(number: int) -> Event:
    return Event(
        f"user-{number % 3}",
        "view",
        T0 + timedelta(minutes=number),
        UUID(int=number + 1),
        properties={"page": "/"},
    )


LINKING = replace(event(12), event_type="identify", properties={"anonymous_id": "visitor-1"})
EVENTS = [*(event(number) for number in range(12)), LINKING]


@pytest.fixture
def ledger() -> Ledger:
    """In which they are all acknowledged."""
    ledger = Ledger()
    ledger.answer(EVENTS, ledger.begin(EVENTS))
    return ledger


@pytest.fixture
def stored(collector, postgres, database, owner, ledger):
    """They are stored, in rows and in blocks."""
    answer = requests.post(f"{collector.url}/events", json=list(map(as_sent, EVENTS)), timeout=60)
    assert answer.json()["stored"] == len(EVENTS)
    result = CliRunner().invoke(maintain, [], env={"DATABASE_URL": postgres.url(database)})
    assert result.exit_code == 0, result.output


def found(owner, ledger) -> set[str]:
    """The kinds of what the checks at the end find."""
    report = Report()
    rows = stored_events(owner)
    check_rows(rows, ledger, report)
    check_counts(owner, rows, ledger, report)
    check_users(owner, rows, report, "now")
    check_links(owner, rows, report)
    check_blocks(owner, rows, report)
    check_forgotten(owner, rows, ledger, report)
    return set(report.findings)


FAULTS = {
    "a lost event": (
        f"delete from events where event_id = '{UUID(int=5)}'",
        {"an acknowledged event isn't stored", "event_counts differ from the rows"},
    ),
    "a changed event": ("update events set properties = '{}'", {"an event is stored otherwise than it was sent"}),
    "a wrong count": ("update event_counts set count = count + 1", {"event_counts differ from the rows"}),
    "a user who is forgotten": ("delete from users where user_id = 'user-1'", {"users differ from the rows, now"}),
    "a user who was seen later": (
        "update users set first_seen = first_seen + interval '1 minute' where user_id = 'user-1'",
        {"users differ from the rows, now"},
    ),
    "a link that is lost": ("delete from links", {"links differ from the rows"}),
    "a link of a later event": (
        "update links set at = at + interval '1 minute'",
        {"links differ from the rows"},
    ),
    "a block that is missing": ("delete from blocks", {"days have no valid block after maintain"}),
    "events that are in two blocks": (
        'insert into blocks (source, start, "end", counted, events, epoch, layout, keys, parquet)'
        """ select 'copy', start, "end", counted, events, epoch, layout, keys, parquet from blocks limit 1""",
        {"blocks differ from the rows"},
    ),
}


def test_the_checks_find_nothing_where_nothing_is_wrong(stored, owner, ledger):
    assert found(owner, ledger) == set()


@pytest.mark.parametrize(("statement", "kinds"), FAULTS.values(), ids=FAULTS)
def test_the_checks_find(stored, owner, ledger, statement, kinds):
    owner.execute(statement)
    assert kinds <= found(owner, ledger)


def test_the_checks_find_what_is_left_of_an_erased_user(stored, owner, ledger):
    ledger.erase("user-1", erasure())
    assert "an event of an erased user is stored" in found(owner, ledger)
    owner.execute("delete from events where user_id = 'user-1'")
    assert "users still has an erased user" in found(owner, ledger)


def erasure(**given) -> Erasure:
    now = time.monotonic()
    return Erasure(**{"mode": "erase", "sources": None, "began": now, "ended": now, "is_done": True, **given})


def test_an_erased_event_must_be_gone_and_one_that_was_sent_afterwards_stored(ledger):
    sent = ledger.sent[key_of(EVENTS[1])]
    assert ledger.presence(sent) is Presence.STORED
    ledger.erase("user-1", erasure(sources=frozenset(["elsewhere"])))
    assert ledger.presence(sent) is Presence.STORED
    ledger.erase("user-1", erasure())
    assert ledger.presence(sent) is Presence.GONE
    ledger.answer(EVENTS[1:2], ledger.begin(EVENTS[1:2]))
    assert ledger.presence(sent) is Presence.STORED


def test_what_nobody_knows_for_certain_may_be_either_way(ledger):
    sent = ledger.sent[key_of(EVENTS[1])]
    ledger.erase("user-1", erasure(ended=inf, is_done=False))  # its answer got lost
    assert ledger.presence(sent) is Presence.EITHER
    ledger.begin(EVENTS[2:3])
    ledger.lose(EVENTS[2:3])  # may be stored at any time
    ledger.erase("user-2", erasure())
    assert ledger.presence(ledger.sent[key_of(EVENTS[2])]) is Presence.EITHER
