"""DELETE /users/{user_id}?mode=anonymise: the user can't be identified any more, and no number changes."""

import pytest
import requests
from world import World, contents, life_of

RANGE = {"from": "2026-02-28T12:00:00Z", "to": "2026-03-07T00:00:00Z"}
NUMBERS = {
    "/stats/top-types": {},
    "/stats/timeseries": {"interval": "hour", "breakdown": "event_type"},
    "/stats/timeseries?metric=users": {"interval": "day"},
    "/stats/timeseries?metric=sessions": {"interval": "day"},
    "/stats/users": {"interval": "day"},
    "/stats/sessions": {},
    "/stats/retention": {},
    "/stats/paths": {},
}
"""What doesn't depend on properties."""


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def open_query(start_service, postgres, database):
    return start_service("query", DATABASE_URL=postgres.url(database, "query"))


def numbers(service):
    found = {}
    for path, parameters in NUMBERS.items():
        answer = requests.get(f"{service.url}{path}", params={**RANGE, **parameters}, timeout=30)
        assert answer.status_code == 200, answer.text
        found[path] = {**answer.json(), "as_of": None}
    return found


def anonymise(world, user_id, headers=None):
    answer = world.erase(user_id, headers, mode="anonymise")
    assert answer.status_code == 200, answer.text
    assert answer.json()["mode"] == "anonymise"
    return answer.json()


def maintained(world):
    """The tables after maintenance, which builds blocks of the events as they are now."""
    world.maintain()
    return contents(world.owner)


def test_every_number_stays_and_nobody_is_named(world, open_query):
    world.send(life_of("ann-who-goes") + life_of("bob"))
    world.maintain()
    before, tables = numbers(open_query), contents(world.owner)
    counts = anonymise(world, "ann-who-goes")["counts"]
    assert counts == {"events": 15, "rejections": 0, "links": 0, "users": 1}
    assert numbers(open_query) == before
    after = contents(world.owner)
    assert after["event_counts"] == tables["event_counts"]
    assert maintained(world) == after
    assert numbers(open_query) == before


def test_events_keep_type_time_and_source_and_nothing_else(world):
    world.send(life_of("ann"))
    world.owner.execute("""update events set violations = '{"schema_version": 1, "errors": []}'""")
    events = 'select "timestamp", event_type, source, received_at from events order by 1, received_at, event_id'
    rest = "select user_id, event_id, session_id, properties, violations from events"
    kept, gone = world.owner.execute(events).fetchall(), world.owner.execute(rest).fetchall()
    anonymise(world, "ann")
    assert world.owner.execute(events).fetchall() == kept
    now = world.owner.execute(rest).fetchall()
    ((user_id,),) = {(row[0],) for row in now}
    assert user_id.startswith("anonymous-")
    assert not {row[1] for row in now} & {row[1] for row in gone}
    assert not {row[2] for row in now if row[2]} & {row[2] for row in gone}
    # The events of one session are still of one session.
    assert len({row[2] for row in now}) == len({row[2] for row in gone}) == 2
    assert {repr(row[3:]) for row in now} == {"({}, None)"}


def test_no_row_of_any_table_names_the_user(world):
    world.send(life_of("ann-who-goes") + life_of("bob"))
    world.reject("ann-who-goes", "default", b'{"user_id": "ann-who-goes"}')
    world.maintain()
    answer = anonymise(world, "ann-who-goes")
    assert answer["counts"]["rejections"] == 1
    ((anonymous,),) = world.owner.execute("select user_id from users where user_id <> 'bob'").fetchall()
    assert anonymous not in repr(answer)
    tables = world.owner.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition"
    ).fetchall()
    for (table,) in tables:
        rows = repr(world.owner.execute(f'select row::text from "{table}" as row').fetchall())
        assert "ann-who-goes" not in rows, table
        assert anonymous not in rows or table in ("events", "users"), table


def test_anonymising_again_counts_nothing(world):
    world.send(life_of("ann"))
    anonymise(world, "ann")
    nothing = {"events": 0, "rejections": 0, "links": 0, "users": 0}
    assert anonymise(world, "ann")["counts"] == nothing
    assert world.owner.execute("select count(*) from users").fetchone() == (1,)


def test_two_users_become_two(world):
    world.send(life_of("ann") + life_of("bob"))
    anonymise(world, "ann")
    anonymise(world, "bob")
    assert world.owner.execute("select count(distinct user_id), count(*) from users").fetchone() == (2, 2)
    assert world.owner.execute("select count(distinct session_id) from events").fetchone() == (2,)


def test_who_is_restricted_to_a_source_anonymises_its_events_alone(world):
    shop, blog = world.make_source("shop"), world.make_source("blog")
    world.send(life_of("ann")[::2] + life_of("bob"), shop)
    world.send(life_of("ann")[1::2], blog)
    world.maintain()
    counts = anonymise(world, "ann", world.admin("shop"))["counts"]
    assert counts == {"events": 8, "rejections": 0, "links": 0}
    whose = "select distinct source, user_id like 'anonymous-%' from events where user_id <> 'bob' order by 1"
    assert world.owner.execute(whose).fetchall() == [("blog", False), ("shop", True)]
    after = contents(world.owner)
    assert maintained(world) == after
    assert len(after["users"]) == 3


def test_summaries_that_late_events_outdated_are_made_anew(world):
    world.send(life_of("ann")[:8] + life_of("bob")[:8])
    world.maintain()
    world.send(life_of("ann") + life_of("bob"))
    anonymise(world, "ann")
    world.maintain()
    after = contents(world.owner)
    assert maintained(world) == after
