"""`tracker maintain` sums up past days, and adds users whose events an older collector stored."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import requests
from click.testing import CliRunner, Result

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.database.partitions import QUERIES

DAY = "2026-03-01"


@pytest.fixture
def run_maintain(postgres, database) -> Callable[..., Result]:
    """A function that runs the command on this test's database and checks that it succeeds."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(maintain, arguments, env={"DATABASE_URL": postgres.url(database)})
        assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture
def send(collector) -> Callable[..., None]:
    """send(at, ...): one event through the collector, at a time of DAY or at a whole timestamp."""

    def send(at: str, user_id: str = "ann", event_type: str = "view", **more: object) -> None:
        moment = at if "T" in at else f"{DAY}T{at}Z"
        event = {"user_id": user_id, "event_type": event_type, "timestamp": moment, **more}
        requests.post(f"{collector.url}/events", json=event, timeout=30).raise_for_status()

    return send


def rows(owner: psycopg.Connection, query: str) -> list[tuple]:
    return owner.execute(query.encode()).fetchall()


def test_a_day_that_is_over_is_summed_up_once(run_maintain, send, owner):
    send("10:00:00", properties={"page": "/", "n": 1})
    send("10:30:00", properties={"page": "/"})
    send("11:00:01", event_type="buy", properties={"page": "/b", "none": None})
    send("23:00:00", user_id="bob", session_id="s")
    send("12:00:00", user_id="bob", session_id="s", event_type="buy")
    assert "summed up 1 days" in run_maintain().output
    assert rows(owner, "select day, events, left_out from summarised_days") == [
        (datetime(2026, 3, 1, tzinfo=UTC), 5, [])
    ]
    counted = rows(owner, "select key, event_type, value, count from property_counts order by 1, 2, 3")
    assert counted == [
        ("n", "", "1", 1),
        ("n", "view", "1", 1),
        ("page", "", "/", 2),
        ("page", "", "/b", 1),
        ("page", "buy", "/b", 1),
        ("page", "view", "/", 2),
    ]
    visits = rows(owner, "select user_id, session_id, last - first, event_types from visits order by 1, first")
    assert visits == [
        ("ann", "", timedelta(minutes=30), ["view", "view"]),  # a pause of 1,800 s ends nothing
        ("ann", "", timedelta(0), ["buy"]),
        ("bob", "s", timedelta(hours=11), ["buy", "view"]),
    ]
    assert "summed up 0 days" in run_maintain().output


def test_a_late_event_has_its_day_summed_up_anew(run_maintain, send, owner):
    send("10:00:00", properties={"page": "/"})
    run_maintain()
    send("10:10:00", properties={"page": "/"})
    assert "would sum up 1 days" in run_maintain("--dry-run").output
    assert "summed up 1 days" in run_maintain().output
    assert rows(owner, "select count from property_counts") == [(2,), (2,)]
    assert rows(owner, "select event_types from visits") == [(["view", "view"],)]


def test_today_is_not_over(run_maintain, send, owner):
    send(datetime.now(UTC).isoformat())
    assert "summed up 0 days" in run_maintain().output
    assert rows(owner, "select count(*) from visits") == [(0,)]


def test_a_property_with_too_many_or_too_long_values_is_left_out(run_maintain, owner):
    owner.execute("""
        with stored as (
          insert into events (user_id, "timestamp", event_id, event_type, properties)
          select 'ann', '2026-03-01', gen_random_uuid(), 'view', jsonb_build_object('n', n, 'few', n % 1000, 'long', repeat('x', n / 2))
          from generate_series(1, 1001) as n
          returning 1
        )
        insert into event_counts select '2026-03-01', 'view', 'default', 0, count(*) from stored
    """)
    run_maintain()
    assert rows(owner, "select left_out from summarised_days") == [(["n"],)]
    assert rows(owner, "select distinct key from property_counts order by 1") == [("few",), ("long",)]
    owner.execute("update events set properties = jsonb_build_object('long', repeat('x', 501))")
    owner.execute("delete from summarised_days")
    run_maintain()
    assert rows(owner, "select left_out from summarised_days") == [(["long"],)]


def test_a_property_with_a_name_or_value_that_no_index_takes_is_left_out(run_maintain, send, owner):
    """The limits are in bytes, like that of an index entry. A character may have four bytes. These texts can't be compressed."""
    dice = random.Random(5)

    def astral(number: int) -> str:
        return "".join(chr(dice.randrange(0x20000, 0x2A000)) for _ in range(number))

    longest, too_long = astral(125), astral(126)
    longest_type = astral(100)
    send("10:00:00", event_type=longest_type, properties={longest: longest, astral(500): astral(500), "long": too_long})
    send("11:00:00", properties={too_long: "1"})
    assert "summed up 1 days" in run_maintain().output
    counted = rows(owner, "select key, value, count from property_counts where event_type = ''")
    assert counted == [(longest, longest, 1)]
    ((left_out,),) = rows(owner, "select left_out from summarised_days")
    assert [len(name) for name in left_out if name not in ("long", too_long)] == [500]
    assert {"long", too_long} < set(left_out)


def test_a_day_that_cannot_be_summed_up_keeps_no_other_waiting(send, owner, postgres, database):
    for day in ("02-27", "02-28", "03-01"):
        send(f"2026-{day}T10:00:00Z", user_id="carol")
    owner.execute("alter table visits add constraint broken check (day <> '2026-02-28 00:00:00+00')")
    result = CliRunner().invoke(maintain, [], env={"DATABASE_URL": postgres.url(database)})
    assert result.exit_code == 1
    assert "can't sum up 2026-02-28: new row for relation" in result.stderr
    assert "carol" not in result.output
    assert "summed up 2 days" in result.stdout
    assert "1 days couldn't be summed up" in result.stderr
    summed_up = rows(owner, "select day::date::text from summarised_days order by 1")
    assert summed_up == [("2026-02-27",), ("2026-03-01",)]
    owner.execute("alter table visits drop constraint broken")
    result = CliRunner().invoke(maintain, [], env={"DATABASE_URL": postgres.url(database)})
    assert (result.exit_code, "summed up 1 days" in result.stdout) == (0, True)


def test_long_values_are_not_written_to_temporary_files(owner):
    insert = """
        insert into events (user_id, event_type, "timestamp", event_id, properties)
        select 'ann', 'view', '2026-03-01 10:00:00+00', gen_random_uuid(), jsonb_build_object('a', number || repeat('x', 60000))
        from generate_series(1, 300) as number
    """
    owner.execute(insert)
    asked = {
        "day": datetime(2026, 3, 1, tzinfo=UTC),
        "end": datetime(2026, 3, 2, tzinfo=UTC),
        "most_values": 1000,
        "most_bytes": 500,
    }
    explained = f"explain (analyze, buffers, format json) {QUERIES['sum_up_properties']}"
    ((explanation,),) = owner.execute(explained, asked).fetchall()
    assert explanation[0]["Plan"]["Temp Written Blocks"] < 100
    owner.execute("delete from property_counts")
    ((left_out,),) = owner.execute(QUERIES["sum_up_properties"], asked).fetchall()
    assert left_out == ["a"]


def test_a_day_whose_events_were_deleted_in_part_is_not_summed_up(run_maintain, send, owner):
    send("10:00:00")
    send("11:00:00")
    owner.execute("delete from events where \"timestamp\" < '2026-03-01 10:30:00+00'")
    assert "summed up 0 days" in run_maintain().output
    assert rows(owner, "select count(*) from summarised_days") == [(0,)]


@pytest.mark.parametrize("partly_deleted", [False, True], ids=["whole", "partly deleted"])
def test_visits_that_the_release_before_summed_up_are_put_in_order(run_maintain, send, owner, partly_deleted):
    send("10:00:00", event_type="first", event_id="80000000-0000-4000-8000-000000000000")
    send("10:00:00", event_type="second", event_id="7fffffff-0000-4000-8000-000000000000")
    send("12:00:00", user_id="bob")
    run_maintain()
    if partly_deleted:
        owner.execute("delete from events where user_id = 'bob'")
    before = "update visits set event_types = '{second,first}' where user_id = 'ann'"
    owner.execute("update summarised_days set visits_version = 0")
    owner.execute(before)
    run_maintain()
    ann = "select event_types from visits where user_id = 'ann'"
    assert rows(owner, ann) == [(["first", "second"],)]
    assert rows(owner, "select events, visits_version from summarised_days") == [(3, 1)]
    owner.execute(before)
    run_maintain()
    assert rows(owner, ann) == [(["second", "first"],)], "it was done again"


def test_retention_forgets_users_and_summaries_with_their_events(run_maintain, send, owner):
    send("2024-01-10T10:00:00Z", user_id="gone", properties={"page": "/"})
    send("2024-01-10T10:00:00Z", user_id="back")
    send(datetime.now(UTC).isoformat(), user_id="back")
    run_maintain()
    run_maintain("--keep", "1year")
    assert rows(owner, "select user_id, first_seen::date::text from users") == [("back", "2024-01-10")]
    assert rows(owner, "select count(*) from visits") == [(0,)]
    assert rows(owner, "select value, count from property_counts") == []
    assert rows(owner, "select count(*) from summarised_days") == [(0,)]


def test_users_of_an_older_collector_are_found(run_maintain, send, owner):
    send("10:00:00", user_id="known")
    owner.execute("""
        insert into events (user_id, "timestamp", event_id, event_type)
        values ('known', '2026-02-01 10:20:00+00', gen_random_uuid(), 'view'), ('new', '2026-03-02 11:20:00+00', gen_random_uuid(), 'view')
    """)
    assert "refreshed 2 users" in run_maintain().output
    found = rows(owner, "select user_id, first_seen::text, last_hour::text from users order by 1")
    assert found == [
        ("known", "2026-02-01 10:20:00+00", "2026-03-01 10:00:00+00"),
        ("new", "2026-03-02 11:20:00+00", "2026-03-02 11:00:00+00"),
    ]
    assert "refreshed" not in run_maintain().output
