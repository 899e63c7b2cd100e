"""`tracker maintain` with sources that have their own retention time; and counts that stay when events are deleted."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from click.testing import CliRunner
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from storing import store as store_events
from waiting import wait_until

from event_tracker.cli.database import partitions
from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.database.partitions import Month, make_partition
from event_tracker.cli.database.retention import retention

STORE = """
with stored as (
  insert into events (user_id, "timestamp", event_id, event_type, source, session_id, properties)
  select
    %(user)s, %(start)s::timestamptz + n * interval '1 minute', gen_random_uuid(), 'view', %(source)s,
    case when n %% 2 = 0 then 's' end, jsonb_build_object('page', '/' || n %% 3)
  from generate_series(0, %(rows)s - 1) n
  returning "timestamp", event_type, source, user_id
),
counted as (
  insert into event_counts as counts
  select date_trunc('hour', "timestamp"), event_type, source, 0, count(*) from stored group by 1, 2, 3
  on conflict (hour, event_type, source, slot) do update set count = counts.count + excluded.count
)
insert into users as known
select user_id, min("timestamp"), date_trunc('hour', max("timestamp")) from stored group by 1
on conflict (user_id) do update
set first_seen = least(known.first_seen, excluded.first_seen), last_hour = greatest(known.last_hour, excluded.last_hour)
"""


def days_ago(days):
    """Noon of the day so many days ago, UTC."""
    return (datetime.now(UTC) - timedelta(days=days)).replace(hour=12, minute=0, second=0, microsecond=0)


def month_of(day):
    return Month(day.year, day.month)


@pytest.fixture
def keep(owner):
    """keep("shop", 30) sets the number of days for which a source's events are kept."""

    def keep(source, days):
        owner.execute(
            "insert into sources (name, keep) values (%s, %s) on conflict (name) do update set keep = excluded.keep",
            [source, days],
        )

    return keep


@pytest.fixture
def store(owner):
    """store("shop", days_ago(40), 20, user="ann") stores events, a minute apart."""

    def store(source, start, rows, user="ann"):
        owner.execute(STORE, {"source": source, "start": start, "rows": rows, "user": user})

    return store


@pytest.fixture
def run_maintain(postgres, database):
    def run(*arguments):
        result = CliRunner().invoke(maintain, arguments, env={"DATABASE_URL": postgres.url(database)})
        assert result.exit_code == 0, result.output
        return result.output

    return run


def events(owner):
    """The number of events of each source and day. A day is the number of days ago."""
    today = datetime.now(UTC).date()
    rows = owner.execute("select source, timestamp::date, count(*) from events group by 1, 2").fetchall()
    return {(source, (today - day).days): count for source, day, count in rows}


def stored(owner):
    """The number of stored events of each day, type and source: those counted, minus those counted as deleted."""
    asked = """
        select day, event_type, source, sum(count)
        from (
          select date_trunc('day', hour) as day, event_type, source, count from event_counts
          union all
          select day, event_type, source, -count from deleted_counts
        ) as counted
        group by 1, 2, 3
        having sum(count) <> 0
    """
    return {row[:3]: row[3] for row in owner.execute(asked)}


def stored_by_events(owner):
    asked = """select date_trunc('day', "timestamp"), event_type, source, count(*) from events group by 1, 2, 3"""
    return {row[:3]: row[3] for row in owner.execute(asked)}


def last_hours(owner):
    return owner.execute("select user_id, last_hour from users order by 1").fetchall()


def last_hours_by_events(owner):
    return owner.execute(
        """select user_id, date_trunc('hour', max("timestamp")) from events group by 1 order by 1"""
    ).fetchall()


def partitions_of(owner, *days):
    for month in {month_of(day) for day in days}:
        make_partition(owner, month)


def exists(owner, month):
    return owner.execute("select to_regclass(%s) is not null", [month.partition]).fetchone() == (True,)


def test_a_source_that_is_kept_shorter_loses_its_days_alone(owner, keep, store, run_maintain):
    keep("shop", 30)
    for days in (29, 31, 40):
        for source in ("shop", "blog"):
            store(source, days_ago(days), 20)
    rehearsed = run_maintain("--dry-run")
    assert "would free 40 rows, " in rehearsed
    assert len(events(owner)) == 6
    said = run_maintain()
    assert "freed 40 rows, " in said
    assert "events of shop before " in said
    assert events(owner) == {("shop", 29): 20, **{("blog", days): 20 for days in (29, 31, 40)}}
    assert owner.execute("select sum(count) from event_counts").fetchone() == (120,)
    assert "freed 0 rows" in run_maintain()


def test_whole_days_are_kept(owner, keep, store, run_maintain):
    keep("shop", 30)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=30)
    store("shop", midnight - timedelta(minutes=5), 10)
    run_maintain()
    assert owner.execute('select min("timestamp") from events').fetchone() == (midnight,)


def test_a_month_is_dropped_only_if_every_source_in_it_agrees(owner, keep, store, run_maintain):
    keep("shop", 30)
    alone, shared = days_ago(120), days_ago(200)
    partitions_of(owner, alone, shared)
    store("shop", alone, 20)
    store("shop", shared, 20)
    store("blog", shared, 20)
    run_maintain()
    assert not exists(owner, month_of(alone))
    assert exists(owner, month_of(shared))
    assert set(events(owner)) == {("blog", 200)}
    keep("blog", 30)
    run_maintain()
    assert not exists(owner, month_of(shared))
    assert events(owner) == {}
    assert owner.execute("select sum(count) from event_counts").fetchone() == (60,)


def test_a_month_is_not_kept_for_a_source_whose_events_are_gone(owner, keep, store, run_maintain):
    keep("shop", 30)
    month = days_ago(120)
    partitions_of(owner, month)
    store("shop", month, 20)
    store("blog", month, 20)
    run_maintain()
    assert set(events(owner)) == {("blog", 120)}
    keep("shop", 3650)
    keep("blog", 30)
    run_maintain()
    assert not exists(owner, month_of(month))
    assert (stored(owner), owner.execute("select sum(count) from event_counts").fetchone()) == ({}, (40,))


def test_a_source_that_is_kept_longer_outlives_the_others(owner, keep, store, run_maintain):
    keep("archive", 3650)
    # In the middle of a month, so that the month has earlier days.
    limit = days_ago(99).replace(day=15)
    kept = (days_ago(0) - limit).days
    old, limit_month = days_ago(kept + 100), days_ago(kept + 1)
    partitions_of(owner, old, limit_month)
    for source in ("archive", "default", "gone-from-the-table"):
        store(source, old, 20)
        store(source, limit_month, 20)
    run_maintain("--keep", f"{kept}days")
    # The month of the limit stays complete for sources without their own limit.
    assert {source for source, days in events(owner) if days == kept + 1} == {
        "archive",
        "default",
        "gone-from-the-table",
    }
    assert {source for source, days in events(owner) if days == kept + 100} == {"archive"}
    assert "freed 0 rows" in run_maintain("--keep", f"{kept}days")


def test_strays_go_by_the_same_rule(owner, keep, store, run_maintain):
    keep("archive", 36500)
    long_ago = datetime(1999, 1, 1, tzinfo=UTC)
    store("archive", long_ago, 5)
    store("default", long_ago, 7)
    assert "events_default: 7 rows" in run_maintain("--keep", "13months")
    assert owner.execute("select distinct source from events").fetchall() == [("archive",)]


def test_rows_go_in_batches(owner, keep, store, run_maintain, monkeypatch):
    monkeypatch.setattr(retention, "BATCH_ROWS", 7)
    keep("shop", 30)
    for days in (31, 33):
        store("shop", days_ago(days), 21)
        store("blog", days_ago(days), 3)
    assert "freed 42 rows" in run_maintain()
    assert set(events(owner)) == {("blog", 31), ("blog", 33)}


def test_a_day_that_lost_a_part_is_counted_as_what_is_left_of_it(owner, keep, store, run_maintain):
    store("shop", days_ago(40), 20, user="ann")
    store("blog", days_ago(40), 20, user="ann")
    store("shop", days_ago(40), 20, user="bob")
    run_maintain()
    keep("shop", 30)
    assert "built 0 blocks" in run_maintain()
    assert events(owner) == {("blog", 40): 20}
    assert owner.execute("select sum(count) from event_counts").fetchone() == (60,)
    assert stored(owner) == stored_by_events(owner)
    assert owner.execute("select source, events from blocks").fetchall() == [("blog", 20)]
    assert owner.execute("select user_id from users").fetchall() == [("ann",)]
    store("blog", days_ago(40) + timedelta(hours=3), 1, user="ann")  # a late one
    assert "built 1 blocks" in run_maintain()
    assert stored(owner) == stored_by_events(owner)
    assert owner.execute("select source, events from blocks").fetchall() == [("blog", 21)]


def test_a_user_is_known_by_the_events_that_are_left(owner, keep, store, postgres, database):
    """It is right as soon as the newer events are deleted. The time of the first event stays."""
    store("blog", days_ago(45), 5, user="ann")
    store("shop", days_ago(60), 5, user="ann")
    store("shop", days_ago(40), 5, user="ann")
    store("shop", days_ago(40), 5, user="bob")
    store("shop", days_ago(40), 5, user="cem")
    store("blog", days_ago(2), 5, user="cem")
    keep("shop", 30)
    seen = []

    def look(part):
        seen.extend(owner.execute("select user_id, first_seen, last_hour from users order by 1").fetchall())

    with psycopg.connect(postgres.url(database), autocommit=True, options="-c timezone=UTC") as connection:
        retention.delete_expired(connection, retention.find_expired(connection, None), look)
    assert seen == [("ann", days_ago(60), days_ago(45)), ("cem", days_ago(40), days_ago(2))]
    assert last_hours(owner) == last_hours_by_events(owner)


LINK = """
insert into links (source, alias, person, at, event_id, removed_at) values ('shop', %s, %s, '2026-01-01', gen_random_uuid(), %s)
"""


def test_a_person_is_known_by_the_events_that_are_left_of_any_id(owner, keep, store, run_maintain):
    """When their first id was seen stays, also if the end of the chain has no event, until the last event of the person goes."""
    for user in ("anon", "tablet", "removed", "alone"):
        store("shop", days_ago(40), 5, user=user)
    store("blog", days_ago(35), 5, user="phone")
    for alias, person, removed_at in (
        ("anon", "tablet", None),
        ("tablet", "ann", None),
        ("phone", "ann", None),
        ("removed", "ann", days_ago(1)),
    ):
        owner.execute(LINK, [alias, person, removed_at])
    keep("shop", 30)
    run_maintain()
    first_seen = owner.execute("select user_id, first_seen from users order by 1").fetchall()
    assert first_seen == [("anon", days_ago(40)), ("phone", days_ago(35)), ("tablet", days_ago(40))]
    # Another run neither locks nor writes them.
    versions = "select user_id, xmin::text, xmax::text from users order by 1"
    before = owner.execute(versions).fetchall()
    run_maintain()
    assert owner.execute(versions).fetchall() == before
    keep("blog", 30)
    run_maintain()
    assert owner.execute("select user_id from users").fetchall() == []


def test_a_user_is_known_by_older_events_when_a_month_is_dropped(owner, keep, store, run_maintain):
    keep("archive", 3650)
    older, month = days_ago(200), days_ago(120)
    partitions_of(owner, older, month)
    store("archive", older, 20, user="ann")
    store("shop", month, 20, user="ann")
    store("shop", month, 20, user="bob")
    run_maintain("--keep", "60days")
    assert not exists(owner, month_of(month))
    assert owner.execute("select user_id, last_hour from users").fetchall() == [("ann", older)]
    assert stored(owner) == stored_by_events(owner)


def test_a_user_of_whom_an_event_is_being_stored_stays_and_keeps_no_other(owner, keep, run_maintain, monkeypatch):
    keep("default", 140)  # in whole days, so that the second run moves no mark, for which it would wait for the event
    run_maintain()
    monkeypatch.setattr(retention, "ROUNDS", 10_000)
    for user_id in ("ann", "bob"):  # as an older release left them
        owner.execute("insert into users values (%s, %s, %s)", [user_id, days_ago(300), days_ago(150)])
    with psycopg.connect(owner.info.dsn) as collector:
        store_events(collector, {"user_id": "ann", "timestamp": days_ago(131)})
        maintaining = Meanwhile(run_maintain)
        wait_until(lambda: owner.execute("select user_id from users").fetchall() == [("ann",)])
        collector.commit()
    maintaining.end()
    assert owner.execute("select * from users").fetchall() == [("ann", days_ago(300), days_ago(131))]


def test_an_event_that_comes_at_the_last_moment_keeps_its_month(owner, keep, store, postgres, database):
    keep("shop", 30)
    old = days_ago(120)
    partitions_of(owner, old)
    store("shop", old, 20)
    with psycopg.connect(postgres.url(database), autocommit=True, options="-c timezone=UTC") as connection:
        expired = retention.find_expired(connection, None)
        assert [(part.rows, part.days) for part in expired.parts] == [(20, None)]
        store("blog", old, 1)
        assert retention.delete_expired(connection, expired).parts == []
        assert exists(owner, month_of(old))
        again = retention.find_expired(connection, None)
        assert retention.delete_expired(connection, again).rows == 20
    assert events(owner) == {("blog", 120): 1}


def test_a_period_longer_than_the_calendar_deletes_nothing(owner, store, run_maintain):
    store("default", datetime(1, 2, 1, tzinfo=UTC), 3)
    assert "freed 0 rows" in run_maintain("--keep", "3000years")
    assert owner.execute("select count(*) from events").fetchone() == (3,)


def test_a_user_with_an_event_that_was_under_way_stays_known(owner, keep, run_maintain):
    """All events of a user are deleted by retention, while a new one is being stored."""
    old = {"user_id": "ann", "timestamp": days_ago(100)}
    store_events(owner, old, {**old, "timestamp": days_ago(99)}, {**old, "user_id": "bob"})
    keep("default", 90)  # in whole days, so that the second run moves no mark, for which it would wait for the event
    run_maintain()
    owner.execute(
        "insert into users values ('ann', %s, %s), ('bob', %s, %s)",
        [days_ago(100), days_ago(99), days_ago(100), days_ago(100)],
    )
    with psycopg.connect(owner.info.dsn) as collector:
        store_events(collector, {**old, "timestamp": days_ago(1)})
        maintaining = Meanwhile(run_maintain)
        wait_until(lambda: waiting_for_locks(owner) or not maintaining.is_alive())
        collector.commit()
    maintaining.end()
    assert owner.execute("select user_id from users").fetchall() == [("ann",)]


def test_many_odd_days_are_deleted_in_few_steps(owner, store, run_maintain):
    for days in range(300):
        store("default", datetime(1999, 1, 1, tzinfo=UTC) + timedelta(days=days), 1)
    transactions = "select pg_current_xact_id()::text::bigint"
    ((before,),) = owner.execute(transactions).fetchall()
    assert "freed 300 rows" in run_maintain("--keep", "100days")
    ((after,),) = owner.execute(transactions).fetchall()
    assert after - before < 150
    assert events(owner) == {}


def test_what_was_deleted_is_said_although_the_rest_failed(owner, postgres, database, monkeypatch):
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(partitions, "ATTEMPTS", 1)
    months = [Month(2019, 1), Month(2019, 2)]
    for month in months:
        make_partition(owner, month)
    with psycopg.connect(owner.info.dsn) as other:
        other.execute(f"lock table {months[1].partition} in access share mode")
        given = {"DATABASE_URL": postgres.url(database)}
        result = CliRunner().invoke(maintain, ["--keep", "100days"], env=given)
    assert result.exit_code == 1
    assert "events_2019_01: 0 rows" in result.output
    assert "events_2019_02" not in result.output
