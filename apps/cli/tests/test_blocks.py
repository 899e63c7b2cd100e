"""`tracker maintain` builds blocks of past days, and builds them again when something has changed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg
import pytest
from click.testing import CliRunner, Result

from event_tracker.cli.database import partitions
from event_tracker.cli.database.maintain import maintain
from event_tracker.columns.build import Builder, find_unbuilt

DAY = datetime(2026, 3, 1, tzinfo=UTC)

Store = Callable[..., None]


@pytest.fixture
def run_maintain(postgres, database) -> Callable[..., Result]:
    """A function that runs the command on this test's database and checks that it succeeds."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(maintain, arguments, env={"DATABASE_URL": postgres.url(database)})
        assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture
def store(owner: psycopg.Connection) -> Store:
    """store(day, user, source): an event with a property, and its count."""

    def run(day: datetime, user_id: str = "ann", source: str = "shop") -> None:
        owner.execute(
            'insert into events (user_id, "timestamp", event_id, event_type, source, properties)'
            " values (%s, %s, gen_random_uuid(), 'view', %s, jsonb_build_object('name', %s::text || '@example.com'))",
            [user_id, day.replace(hour=12, minute=0, second=0, microsecond=0), source, user_id],
        )
        owner.execute(
            "insert into event_counts as known values (%s, 'view', %s, 0, 1)"
            " on conflict (hour, event_type, source, slot) do update set count = known.count + 1",
            [day.replace(hour=12, minute=0, second=0, microsecond=0), source],
        )

    return run


def users_in_blocks(owner: psycopg.Connection, folder: Path) -> list[tuple[str, int, str]]:
    """The source, day and user of every event in blocks."""
    found: list[tuple[str, int, str]] = []
    for number, (source, start, parquet) in enumerate(
        owner.execute("select source, start, parquet from blocks").fetchall()
    ):
        path = folder / f"{number}.parquet"
        path.write_bytes(parquet)
        found += [(source, start.day, user) for (user,) in duckdb.read_parquet(str(path)).project("user_id").fetchall()]
    return sorted(found)


def test_a_day_that_is_over_has_a_block_a_source(run_maintain, store, owner, tmp_path):
    store(DAY, "ann")
    store(DAY, "bob", "blog")
    store(datetime.now(UTC), "carol")
    assert "would build 2 blocks" in run_maintain("--dry-run").output
    assert "built 2 blocks" in run_maintain().output
    assert users_in_blocks(owner, tmp_path) == [("blog", 1, "bob"), ("shop", 1, "ann")]
    assert "built 0 blocks" in run_maintain().output
    store(DAY, "dan", "blog")
    assert "built 1 blocks" in run_maintain().output
    assert users_in_blocks(owner, tmp_path) == [("blog", 1, "bob"), ("blog", 1, "dan"), ("shop", 1, "ann")]


def test_a_day_that_cannot_be_built_keeps_no_other_waiting(store, owner, postgres, database):
    for days in (0, 1, 2):
        store(DAY + timedelta(days=days), "carol")
    owner.execute("alter table blocks add constraint broken check (start <> '2026-03-02 00:00:00+00')")
    result = CliRunner().invoke(maintain, [], env={"DATABASE_URL": postgres.url(database)})
    assert result.exit_code == 1
    assert "can't build shop's 2026-03-02: new row for relation" in result.stderr
    assert "carol" not in result.output
    assert "built 2 blocks" in result.stdout
    assert "1 blocks couldn't be built" in result.stderr


def test_a_day_whose_counters_say_otherwise_is_named_and_fails_nothing(run_maintain, store, owner):
    store(DAY, "ann")
    store(DAY, "bob")
    owner.execute("delete from events where user_id = 'bob'")
    result = run_maintain()
    assert "warning: shop's 2026-03-01 gets no block: 1 events are stored, and 2 are counted" in result.stderr
    assert "built 0 blocks" in result.stdout
    assert owner.execute("select from blocks").fetchall() == []


def test_retention_deletes_the_blocks_of_its_days_with_the_rows(run_maintain, store, owner, tmp_path, monkeypatch):
    """Of one source by rows, of all by the month, and in the default partition. Days that lose a part are built again."""
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    recent, old, older, ancient = (now - timedelta(days=days) for days in (5, 40, 400, 4000))
    for day in (recent, old, older, ancient):
        for source in ("blog", "shop"):
            store(day, "ann", source)
    for day in (old, older):
        partitions.make_partition(owner, partitions.Month(day.year, day.month))
    run_maintain()
    assert len(users_in_blocks(owner, tmp_path)) == 8
    owner.execute("insert into sources (name, keep) values ('shop', 30)")
    with monkeypatch.context() as patch:
        # As if it was killed before it built any block again.
        patch.setattr("event_tracker.cli.database.maintain.build_all", lambda _: (0, 0))
        run_maintain("--keep", "100days")
    assert users_in_blocks(owner, tmp_path) == sorted(
        [("blog", old.day, "ann"), ("blog", recent.day, "ann"), ("shop", recent.day, "ann")]
    )
    assert find_unbuilt(owner) == []
    assert "built 0 blocks" in run_maintain().output


def test_a_day_without_some_of_its_events_is_built_again(run_maintain, store, owner, tmp_path):
    store(DAY, "ann")
    store(DAY, "bob")
    run_maintain()
    with owner.transaction():
        # What retention does whose limit is within the day.
        partitions.lock_out_erasures(owner)
        owner.execute("delete from events_default where user_id = 'ann'")
        owner.execute("insert into deleted_counts values (%s, 'view', 'shop', 1)", [DAY])
    assert users_in_blocks(owner, tmp_path) == []
    assert "built 1 blocks" in run_maintain().output
    assert users_in_blocks(owner, tmp_path) == [("shop", 1, "bob")]
    assert "built 0 blocks" in run_maintain().output


def test_events_that_are_moved_to_their_month_keep_their_blocks(run_maintain, store, owner, monkeypatch):
    monkeypatch.setattr(partitions, "MANY_ROWS", 2)
    store(DAY)
    run_maintain()
    before = owner.execute("select id from blocks").fetchall()
    store(DAY + timedelta(days=1))
    assert "moved 2 rows" in run_maintain().output
    assert owner.execute("select id from blocks order by start").fetchall()[:1] == before
    assert "built 0 blocks" in run_maintain().output


STEPS = ["_read", "_write_parquet", "_write"]

KILLED = """
import os, signal
from event_tracker.cli.__main__ import main
from event_tracker.columns.build import Builder

step = Builder.{step}

def stop(*given):
    if {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    step(*given)
    os.kill(os.getpid(), signal.SIGKILL)

Builder.{step} = stop
main()
"""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("before", [True, False])
def test_a_run_that_is_killed_leaves_the_rest_to_the_next(
    run_maintain, store, postgres, database, owner, step, before, tmp_path
):
    for days in (0, 1):
        store(DAY + timedelta(days=days))
    program = KILLED.format(step=step, before=before)
    environment = {**os.environ, "DATABASE_URL": postgres.url(database), "TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program, "maintain"], env=environment, capture_output=True, timeout=120)
    assert run.returncode == -signal.SIGKILL
    complete = int(step == "_write" and not before)
    assert len(owner.execute("select from blocks").fetchall()) == complete
    assert f"built {2 - complete} blocks" in run_maintain().output


def test_two_runs_at_once_build_each_block_once(store, postgres, database, owner):
    for days in range(5):
        store(DAY + timedelta(days=days))
    command = [sys.executable, "-m", "event_tracker.cli", "maintain"]
    environment = {**os.environ, "DATABASE_URL": postgres.url(database)}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("built 5 blocks" in output for output in said) == [False, True]
    assert len(owner.execute("select from blocks").fetchall()) == 5


def test_an_erasure_waits_for_no_block(store, owner, postgres, database, monkeypatch):
    """While events are read and sorted, nothing that an erasure needs is locked."""
    store(DAY)
    sort = Builder._write_parquet

    def erase_meanwhile(*given):
        with psycopg.connect(postgres.url(database), autocommit=True) as other:
            other.execute("set lock_timeout = '5s'")
            with other.transaction():
                other.execute("lock table erasures in exclusive mode")
                other.execute("delete from events")
                other.execute("delete from event_counts")
        return sort(*given)

    monkeypatch.setattr(Builder, "_write_parquet", erase_meanwhile)
    result = CliRunner().invoke(maintain, [], env={"DATABASE_URL": postgres.url(database)})
    assert result.exit_code == 0, result.output
    assert "built 0 blocks" in result.output
    assert owner.execute("select from blocks").fetchall() == []
