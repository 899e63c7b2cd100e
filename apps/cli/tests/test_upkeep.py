"""What `tracker up` does in the background: `tracker maintain`, at the start and again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from event_tracker.cli.local import upkeep
from event_tracker.cli.local.upkeep import Upkeep

pytestmark = pytest.mark.services

STORE = """
with stored as (
  insert into events (user_id, "timestamp", event_id, event_type) values ('ann', '2026-03-01', gen_random_uuid(), 'view')
)
insert into event_counts as known values ('2026-03-01', 'view', 'default', 0, 1)
on conflict (hour, event_type, source, slot) do update set count = known.count + 1
"""


@contextmanager
def upkeep_of(url: str, data: Path) -> Iterator[Upkeep]:
    (data / "logs").mkdir(exist_ok=True)
    with Upkeep(url, data) as running:
        yield running


def run_until_built(running: Upkeep, owner: psycopg.Connection, events: int) -> None:
    deadline = time.monotonic() + 120
    while owner.execute("select events from blocks").fetchall() != [(events,)]:
        assert time.monotonic() < deadline
        running.run_if_due()
        time.sleep(0.05)


def test_it_runs_at_the_start_and_again(postgres, database, owner, tmp_path, monkeypatch):
    monkeypatch.setattr(upkeep, "EVERY_SECONDS", 0)
    owner.execute(STORE)
    with upkeep_of(postgres.url(database), tmp_path) as running:
        run_until_built(running, owner, 1)
        owner.execute(STORE)
        run_until_built(running, owner, 2)
    assert "built" in (tmp_path / "logs" / "upkeep.log.1").read_text()
    assert not (tmp_path / "upkeep").exists()


def test_it_waits_between_runs_and_a_run_stops_with_it(postgres, database, owner, tmp_path):
    """The run waits for a lock that is never released."""
    with psycopg.connect(postgres.url(database)) as other:
        other.execute("lock table erasures in exclusive mode")
        with upkeep_of(postgres.url(database), tmp_path) as running:
            running.run_if_due()
            first = running._process
            assert first is not None
            running.run_if_due()
            assert running._process is first
            running.ask_to_stop()
            assert first.wait(60) is not None
            running.run_if_due()
            assert running._process is first
