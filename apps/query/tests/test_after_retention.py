"""Answers after `tracker maintain` has deleted old events of one source: all queries see the remaining events only."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from world import World, an_event

KEPT = 30
"""Days for which one of the sources is kept."""


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def get(world):
    """get("/stats/sessions", key=...): what an admin is answered."""
    headers = world.admin()

    def get(path, **parameters):
        answer = requests.get(f"{world.query.url}{path}", headers=headers, params=parameters, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return get


def at(days, minutes=0):
    """A time so many days ago, as it is sent."""
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return (noon - timedelta(days=days) + timedelta(minutes=minutes)).isoformat()


def day_of(days):
    """The day so many days ago as a range."""
    start = datetime.now(UTC).date() - timedelta(days=days)
    return {"from": str(start), "to": str(start + timedelta(days=1))}


def one(owner, query):
    ((value,),) = owner.execute(query.encode()).fetchall()
    return value


def in_blocks(owner):
    """The number of events in blocks."""
    return one(owner, "select coalesce(sum(events), 0) from blocks")


def test_every_number_of_a_day_is_of_the_events_that_are_left(world, get):
    """Before its events are deleted, after it, with one more late event, and when that is in a block."""
    shop, blog = world.make_source("shop"), world.make_source("blog")
    world.send([an_event(f"s{n}", at(40, n), n, properties={"page": f"/{n % 3}"}) for n in range(30)], shop)
    world.send(
        [an_event(f"b{n}", at(40, n), n, properties={"page": f"/{n % 2}"} if n % 5 else {}) for n in range(20)], blog
    )
    within = day_of(40)

    def compare(stored):
        assert one(world.owner, "select count(*) from events") == stored
        values = get("/stats/top-properties", key="page", **within)
        by_value = (
            "select properties ->> 'page', count(*) from events where properties ? 'page' group by 1 order by 2 desc, 1"
        )
        assert [(row["value"], row["count"]) for row in values["items"]] == world.owner.execute(by_value).fetchall()
        assert values["total"] + values["missing"] == stored
        of_type = get("/stats/top-properties", key="page", event_type="view", **within)
        views = one(world.owner, "select count(*) from events where event_type = 'view'")
        assert of_type["total"] + of_type["missing"] == views
        sessions = get("/stats/sessions", **within)
        assert sessions["events"] == stored
        users = one(world.owner, "select count(distinct user_id) from events")
        assert get("/stats/users", **within)["active"] == users == sessions["users"]
        of_blog = get("/stats/top-properties", key="page", source="blog", **within)
        blogs = one(world.owner, "select count(*) from events where source = 'blog'")
        assert of_blog["total"] + of_blog["missing"] == blogs

    world.maintain()
    assert in_blocks(world.owner) == 50
    compare(50)
    world.keep("shop", KEPT)
    world.maintain()
    assert in_blocks(world.owner) == 20
    compare(20)
    world.send([an_event("late", at(40), 99, event_type="z")], blog)
    assert in_blocks(world.owner) == 20
    compare(21)
    world.maintain()
    assert in_blocks(world.owner) == 21
    compare(21)
    world.keep("blog", KEPT)
    world.maintain()
    compare(0)
    # Counts stay for good.
    whole_hours = {bound: f"{day}T00:00:00Z" for bound, day in within.items()}
    assert get("/stats/top-types", **whole_hours)["total"] == 51


def listed(get, limit):
    """Every user of GET /users, page by page."""
    users, cursor = [], {}
    while cursor is not None:
        page = get("/users", limit=limit, **cursor)
        users += [(user["user_id"], user["last_seen"], user["events"]) for user in page["users"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    return users


@pytest.fixture
def crowd(world):
    """Users of both sources; of many the newest event is of the one whose events are then deleted."""
    shop, blog = world.make_source("shop"), world.make_source("blog")
    for user in range(40):
        if user % 4:
            world.send([an_event(f"u{user}", at(31 + user % 9, user), 1)], shop)
        if user % 5:
            world.send([an_event(f"u{user}", at(33 + user % 20, user), 2)], blog)
    return world


@pytest.mark.parametrize("is_unfinished", [False, True], ids=["after it", "broken off"])
def test_every_user_with_an_event_is_listed_at_every_page_size(crowd, get, is_unfinished):
    """Also if the list of users is as the release before left it: who has no event in their newest hour ends no list."""
    before = crowd.owner.execute("select user_id, last_hour from users").fetchall()
    crowd.keep("shop", KEPT)
    crowd.maintain()
    newest = """select user_id, to_char(max("timestamp"), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), count(*) from events
                group by 1 order by max("timestamp") desc, 1 desc"""
    expected = crowd.owner.execute(newest).fetchall()
    if is_unfinished:
        stale = []
        for user_id, last_hour in before:
            changed = "update users set last_hour = %s where user_id = %s and last_hour <> %s returning user_id"
            stale += crowd.owner.execute(changed, [last_hour, user_id, last_hour]).fetchall()
        assert stale
        expected = [row for row in expected if (row[0],) not in stale]
    else:
        kept = """select user_id, last_hour from users
                  except select user_id, date_trunc('hour', max("timestamp")) from events group by 1"""
        assert crowd.owner.execute(kept).fetchall() == []
    for limit in (1, 3, 7, 50):
        assert listed(get, limit) == expected


def test_when_a_user_was_first_seen_is_remembered_by_every_answer(world, get):
    shop, blog = world.make_source("shop"), world.make_source("blog")
    world.send([an_event("ann", at(40), 1)], shop)
    world.send([an_event("ann", at(10), 2)], blog)
    first = [get("/users")["users"][0]["first_seen"], get("/users/ann")["first_seen"]]
    world.keep("shop", KEPT)
    world.maintain()
    assert [get("/users")["users"][0]["first_seen"], get("/users/ann")["first_seen"]] == first
    of_blog = [get("/users", source="blog")["users"][0], get("/users/ann", source="blog")]
    assert {one["first_seen"] for one in of_blog} == {one["last_seen"] for one in of_blog}


def test_an_erased_user_leaves_no_value_behind_although_the_events_had_been_deleted(world, get):
    shop = world.make_source("shop")
    world.send([an_event("carol", at(40), 1, properties={"email": "carol@example.com"})], shop)
    world.send([an_event("dan", at(40), 2, properties={"email": "dan@example.com"})])
    world.maintain()
    email = {"key": "email", **day_of(40)}
    assert get("/stats/top-properties", **email)["total"] == 2
    world.keep("shop", KEPT)
    world.maintain()
    assert world.erase("carol").json()["counts"]["events"] == 0
    world.maintain()
    assert [row["value"] for row in get("/stats/top-properties", **email)["items"]] == ["dan@example.com"]
