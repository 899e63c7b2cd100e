"""`tracker maintain`: partitions, the default partition, folded counts, retention; also while collectors write."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
import requests
from click.testing import CliRunner, Result
from lock_waits import waiting_for_locks
from waiting import wait_until

from event_tracker.cli.database import partitions
from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.database.partitions import Month

Maintain = Callable[..., Result]

STORE = """
with stored as (
  insert into events (user_id, "timestamp", event_id, event_type)
  select 'ann', %(start)s::timestamptz + n * interval '1 second', gen_random_uuid(), 'view' from generate_series(1, %(rows)s) n
  returning "timestamp", event_type, source
)
insert into event_counts
select date_trunc('hour', "timestamp"), event_type, source, %(slot)s, count(*) from stored group by 1, 2, 3
"""


@pytest.fixture
def run_maintain(postgres, database) -> Maintain:
    """A function that runs the command on this test's database and checks that it succeeds."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(maintain, arguments, env={"DATABASE_URL": postgres.url(database)})
        assert result.exit_code == 0, result.output
        return result

    return run


def store(owner: psycopg.Connection, start: str, rows: int, slot: int = 1) -> None:
    owner.execute(STORE, {"start": start, "rows": rows, "slot": slot})


def partition_names(owner: psycopg.Connection) -> list[str]:
    return [name for (name,) in owner.execute(partitions.QUERIES["partition_names"])]


def month_ago(months: int) -> Month:
    now = datetime.now(UTC)
    return Month(now.year, now.month).plus(-months)


def one(owner: psycopg.Connection, sql: str) -> object:
    ((value,),) = owner.execute(sql.encode()).fetchall()
    return value


def test_it_makes_partitions_for_this_month_and_those_ahead(run_maintain: Maintain, owner):
    wanted = [month_ago(-distance).partition for distance in range(6)]
    assert run_maintain("--ahead", "5").output.splitlines()[:6] == [f"made partition {name}" for name in wanted]
    assert partition_names(owner) == wanted
    assert "made" not in run_maintain("--ahead", "5").output


def test_a_month_ahead_that_already_has_rows_takes_them_along(run_maintain: Maintain, owner):
    owner.execute("""insert into events values ('ann', now(), gen_random_uuid(), 'view')""")
    run_maintain()
    assert one(owner, f"select count(*) from {month_ago(0).partition}") == 1
    assert one(owner, "select count(*) from events") == 1


def test_a_month_with_many_rows_leaves_the_default_partition(run_maintain: Maintain, owner, monkeypatch):
    monkeypatch.setattr(partitions, "MANY_ROWS", 100)
    store(owner, "2019-05-31 23:59:00+00", 159)  # one minute of May, and 100 s of June
    store(owner, "0001-01-01 00:00:00+00", 99)
    store(owner, "9998-12-31 23:59:59+00", 99)
    run_maintain("--ahead", "0")
    assert partition_names(owner)[0] == "events_2019_06"
    assert one(owner, "select count(*) from events_2019_06") == 100
    assert one(owner, "select count(*) from events_default") == 99 + 99 + 59
    assert one(owner, "select count(*) from events") == 357


def test_months_that_others_would_wait_for_are_moved_when_asked(run_maintain: Maintain, owner, monkeypatch):
    monkeypatch.setattr(partitions, "MANY_ROWS", 100)
    monkeypatch.setattr(partitions, "MAX_ROWS", 250)
    for month, rows in (("2019-01", 150), ("2019-02", 150), ("2019-03", 251), ("2019-04", 100)):
        store(owner, f"{month}-02 00:00:00+00", rows)
    left = "rows for events_2019_{} are left in the default partition"
    for dry_run in (True, False):
        said = run_maintain(*["--dry-run"] * dry_run).output
        verb = "would move" if dry_run else "moved"
        assert f"{verb} 150 rows from the default partition to events_2019_01" in said
        assert f"{verb} 100 rows from the default partition to events_2019_04" in said
        assert f"150 {left.format('02')}: the next run moves them" in said
        assert f"warning: 251 {left.format('03')}" in said
        assert partition_names(owner)[:1] == ["events_2019_01"] * (not dry_run)
    said = run_maintain().output
    assert "moved 150 rows from the default partition to events_2019_02" in said
    assert f"warning: 251 {left.format('03')}" in said
    assert "moved 251 rows from the default partition to events_2019_03" in run_maintain("--move").output
    assert one(owner, "select count(*) from events_default") == 0
    assert one(owner, "select count(*) from events") == 651


def test_this_month_is_moved_when_asked_too(run_maintain: Maintain, owner, monkeypatch):
    monkeypatch.setattr(partitions, "MANY_ROWS", 10)
    monkeypatch.setattr(partitions, "MAX_ROWS", 20)
    store(owner, month_ago(0).start, 30)
    assert f"warning: 30 rows for {month_ago(0).partition}" in run_maintain().output
    assert month_ago(0).partition not in partition_names(owner)
    assert month_ago(-1).partition in partition_names(owner)
    run_maintain("--move")
    assert one(owner, f"select count(*) from {month_ago(0).partition}") == 30


def test_who_is_killed_lets_go_of_locks(postgres, database, owner):
    with psycopg.connect(postgres.url(database)) as other:
        other.execute("lock table erasures in row exclusive mode")  # what it waits for, having others wait for itself
        environment = {**os.environ, "DATABASE_URL": postgres.url(database)}
        with subprocess.Popen([sys.executable, "-m", "event_tracker.cli", "maintain"], env=environment) as process:
            try:
                wait_until(lambda: waiting_for_locks(owner))
            finally:
                process.kill()
        wait_until(lambda: not waiting_for_locks(owner))


def test_a_partition_is_as_the_table_is(run_maintain: Maintain, owner):
    run_maintain("--ahead", "0")
    name = month_ago(0).partition
    parts = """select contype::text, conname, pg_get_constraintdef(oid) from pg_constraint
               where conrelid = %s::regclass and contype <> 'p' order by 1, 2"""
    assert owner.execute(parts, [name]).fetchall() == owner.execute(parts, ["events_default"]).fetchall()
    attached = """select am.amname from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am am on am.oid = c.relam
                  where i.indrelid = %s::regclass and c.relispartition order by 1"""
    assert owner.execute(attached, [name]).fetchall() == [("brin",), ("brin",), ("btree",)]


def test_closed_hours_are_folded_into_slot_0_and_open_ones_left(run_maintain: Maintain, owner):
    for slot in (3, 4, 5):
        store(owner, "2026-03-01 10:00:00+00", 10, slot)
        store(owner, "2026-03-01 11:00:00+00", 10, slot)
    owner.execute("insert into event_counts values (date_trunc('hour', now()), 'view', 'default', 3, 1)")
    assert "folded 6 counters into 2" in run_maintain().output
    store(owner, "2026-03-01 10:30:00+00", 5, 9)  # late
    assert "folded 1 counters into 1" in run_maintain().output
    counts = "select extract(hour from hour)::int, slot, count from event_counts where hour < '2026-03-02' order by 1"
    assert owner.execute(counts).fetchall() == [(10, 0, 35), (11, 0, 30)]
    assert one(owner, "select count(*) from event_counts where slot = 3") == 1


def test_a_collector_that_counts_late_events_is_waited_for_and_never_deadlocked(
    run_maintain: Maintain, owner, postgres, database
):
    # In the table "view" is before "click", but the collector's statement counts "click" first.
    owner.execute("insert into event_counts values ('2026-03-01 10:00+00', 'view', 'default', 3, 10)")
    owner.execute("insert into event_counts values ('2026-03-01 10:00+00', 'click', 'default', 3, 10)")
    count = "update event_counts set count = count + 1 where event_type = %s and slot = 3"
    with psycopg.connect(postgres.url(database)) as collector:
        collector.execute(count, ["click"])
        folding = threading.Thread(target=run_maintain)
        folding.start()
        while waiting_for_locks(owner) == 0:
            time.sleep(0.01)
        collector.execute(count, ["view"])
        collector.commit()
        folding.join()
    assert owner.execute("select event_type, slot, count from event_counts order by 1").fetchall() == [
        ("click", 0, 11),
        ("view", 0, 11),
    ]


def test_counts_and_rows_stay_exact_while_collectors_write(
    run_maintain: Maintain, owner, start_service, postgres, database, monkeypatch
):
    monkeypatch.setattr(partitions, "MANY_ROWS", 1000)
    # With more time to store than a busy machine needs: refused events would have to be sent again.
    settings = {"DATABASE_URL": postgres.url(database, "collector"), "STORE_SECONDS": 60, "STATEMENT_SECONDS": 50}
    collectors = [start_service("collector", **settings) for _ in range(2)]
    stop = threading.Event()
    stored: list[int] = []
    refused: list[int] = []

    def send(collector, month: int) -> None:
        with requests.Session() as session:
            while not stop.is_set():
                batch = [
                    {
                        "user_id": f"user-{n % 7}",
                        "event_type": f"type-{n % 5}",
                        "timestamp": f"2019-{month:02}-10T{n % 24:02}:00:00Z",
                        "event_id": str(uuid.uuid4()),
                    }
                    for n in range(200)
                ]
                answer = session.post(f"{collector.url}/events", json=batch, timeout=90)
                (stored if answer.status_code == 200 else refused).append(len(batch))

    senders = [threading.Thread(target=send, args=(collectors[n % 2], 1 + n % 2)) for n in range(4)]
    for sender in senders:
        sender.start()
    try:
        for _ in range(8):
            run_maintain()
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    assert not refused
    assert one(owner, "select count(*) from events") == sum(stored)
    assert one(owner, "select sum(count) from event_counts") == sum(stored)
    assert partition_names(owner)[:2] == ["events_2019_01", "events_2019_02"]
    assert one(owner, "select count(*) from events_default") == 0
    run_maintain()
    assert one(owner, "select count(distinct slot) from event_counts") == 1


def test_retention_drops_whole_months_and_strays_and_keeps_counts(run_maintain: Maintain, owner):
    for months in (15, 14, 13, 1):
        partitions.make_partition(owner, month_ago(months))
        store(owner, month_ago(months).start, 20)
    store(owner, "1999-01-01 00:00:00+00", 7)
    rehearsed = run_maintain("--keep", "13months", "--dry-run").output
    assert one(owner, "select count(*) from events") == 87
    performed = run_maintain("--keep", "13months").output
    old = [month_ago(15).partition, month_ago(14).partition]
    for said in (rehearsed, performed):
        assert f"{old[0]}: 20 rows" in said
        assert f"{old[1]}: 20 rows" in said
        assert "events_default: 7 rows" in said
    assert f"would free 47 rows, {freed(performed):,} bytes" in rehearsed
    assert not {*old} & {*partition_names(owner)}
    # The month of the limit stays complete.
    assert month_ago(13).partition in partition_names(owner)
    assert one(owner, "select count(*) from events") == 40
    assert one(owner, "select sum(count) from event_counts") == 87
    assert "freed 0 rows, 0 bytes" in run_maintain("--keep", "13months").output


def freed(output: str) -> int:
    (line,) = [line for line in output.splitlines() if line.startswith("freed ")]
    return int(line.split(" rows, ")[1].split(" ")[0].replace(",", ""))


def test_without_keep_nothing_is_deleted(run_maintain: Maintain, owner):
    store(owner, "1999-01-01 00:00:00+00", 7)
    assert "freed" not in run_maintain().output
    assert one(owner, "select count(*) from events") == 7


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(run_maintain: Maintain, owner, monkeypatch):
    monkeypatch.setattr(partitions, "MANY_ROWS", 100)
    store(owner, "2019-05-01 00:00:00+00", 100)
    state = "select (select count(*) from event_counts where slot = 0), (select count(*) from pg_class)"
    before = owner.execute(state).fetchall()
    assert run_maintain("--ahead", "1", "--dry-run").output.splitlines() == [
        f"would make partition {month_ago(0).partition}",
        f"would make partition {month_ago(-1).partition}",
        "would move 100 rows from the default partition to events_2019_05",
        "would fold 1 counters into 1",
        "would build 1 blocks",
    ]
    assert owner.execute(state).fetchall() == before


@pytest.mark.parametrize("keep", ["0days", "13", "months", "-1months", "13 parsecs"])
def test_a_period_that_is_none_is_refused(keep):
    result = CliRunner().invoke(maintain, ["--keep", keep])
    assert result.exit_code == 2
    assert "13months" in result.output


def test_two_at_once_do_the_work_once(postgres, database, owner):
    for slot in range(1, 50):
        store(owner, "2019-05-01 00:00:00+00", 300, slot)
    command = [sys.executable, "-m", "event_tracker.cli", "maintain", "--keep", "100years"]
    environment = {"DATABASE_URL": postgres.url(database)}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = "".join(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    assert said.count("moved 14,700 rows") == 1
    assert said.count("folded 49 counters into 1") == 1
    assert one(owner, "select count from event_counts") == 14_700


def test_busy_tables_are_waited_for_and_then_left(run_maintain: Maintain, owner, postgres, database, monkeypatch):
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(partitions, "PAUSE_SECONDS", 0.05)
    with psycopg.connect(postgres.url(database)) as other:
        other.execute("lock table events_default in access share mode")
        result = CliRunner().invoke(maintain, env={"DATABASE_URL": postgres.url(database)})
        assert result.exit_code == 1
        assert result.output == "Error: the tables of the database are too busy for this: try again later\n"
        monkeypatch.setattr(partitions, "ATTEMPTS", 1000)
        threading.Timer(0.2, other.rollback).start()
        run_maintain()


def test_sign_ins_that_are_over_are_forgotten(owner, run_maintain):
    owner.execute("insert into people (name, role) values ('ann', 'viewer')")
    for name, age in (("old", "2 hours"), ("new", "1 minute")):
        owner.execute("insert into failed_sign_ins values (%s, 9, now() - %s::interval)", [name, age])
        owner.execute(
            "insert into sign_ins (prefix, person, hash, expires_at) values (%s, 'ann', '', now() - %s::interval + interval '1 hour')",
            [name, age],
        )
    assert "forgot 2 sign-ins that are over" in run_maintain().output
    assert one(owner, "select name from failed_sign_ins") == "new"
    assert one(owner, "select prefix from sign_ins") == "new"


def test_users_of_an_older_collector_are_found(run_maintain: Maintain, owner):
    owner.execute("insert into users values ('known', '2026-03-01 10:00:00+00', '2026-03-01 10:00:00+00')")
    owner.execute("""
        insert into events (user_id, "timestamp", event_id, event_type)
        values ('known', '2026-02-01 10:20:00+00', gen_random_uuid(), 'view'), ('new', '2026-03-02 11:20:00+00', gen_random_uuid(), 'view')
    """)
    assert "refreshed 2 users" in run_maintain().output
    found = owner.execute("select user_id, first_seen::text, last_hour::text from users order by 1").fetchall()
    assert found == [
        ("known", "2026-02-01 10:20:00+00", "2026-03-01 10:00:00+00"),
        ("new", "2026-03-02 11:20:00+00", "2026-03-02 11:00:00+00"),
    ]
    assert "refreshed" not in run_maintain().output
