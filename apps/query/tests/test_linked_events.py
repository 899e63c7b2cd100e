"""GET /events?user_id=, its export and one user's life are those of a person: of all ids that are linked to them."""

import contextlib
import json
import random
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from links import Link, counting_links, ids_of
from listener import listening
from test_paging import page_through, place_of
from waiting import wait_until

from event_tracker.query.identity import MAX_IDS


@pytest.fixture
def link(shared_owner, minutes):
    """link(alias, person, source): a link, later than those before."""
    made = []

    def link(alias, person, source="default"):
        made.append(Link(source, alias, person, minutes(len(made)), UUID(int=len(made) + 1)))
        shared_owner.execute(
            "insert into links (source, alias, person, at, event_id) values (%s, %s, %s, %s, %s)", made[-1]
        )
        return made

    return link


def users_of(answer):
    assert answer.status_code == 200, answer.text
    return {event["user_id"] for event in answer.json()["events"]}


@pytest.fixture
def three_ids(store, link, minutes):
    """Events of ann under three ids, and of bob."""
    link("visitor", "ann")
    link("old-ann", "ann")
    link("other", "bob")
    return store(
        {"user_id": user_id, "timestamp": minutes(number)}
        for number, user_id in enumerate(["visitor", "old-ann", "other", "bob", "ann", "visitor"])
    )


@pytest.mark.parametrize("limit", [50, 500])  # small pages share a statement
@pytest.mark.parametrize("user_id", ["ann", "visitor", "old-ann"])
def test_each_id_of_a_person_stands_for_all_of_them(get, three_ids, user_id, limit):
    answer = get("/events", user_id=user_id, limit=limit)
    assert [event["user_id"] for event in answer.json()["events"]] == ["visitor", "ann", "old-ann", "visitor"]
    assert answer.json()["identity"] == "linked"
    raw = get("/events", user_id=user_id, limit=limit, identity="raw")
    assert users_of(raw) == {user_id}
    assert raw.json()["identity"] == "raw"
    assert users_of(get("/events", user_id=user_id, limit=limit, event_type="view")) == {"ann", "visitor", "old-ann"}
    assert users_of(get("/events", user_id=user_id, limit=limit, filter="event_type:is:view")) == {
        "ann",
        "visitor",
        "old-ann",
    }


def test_an_export_is_of_the_person(get, three_ids):
    lines = get("/events/export", user_id="visitor").text.splitlines()
    assert [json.loads(line)["user_id"] for line in lines] == ["visitor", "ann", "old-ann", "visitor"]
    first = json.loads(lines[0])
    after = f"{first['timestamp']},{first['event_id']},{first['user_id']}"
    assert get("/events/export", user_id="ann", after=after).text.splitlines() == lines[1:]
    assert get("/events/export", user_id="ann", identity="raw").text.count("\n") == 1


@pytest.mark.parametrize("filters", [{}, {"event_type": "view"}], ids=["small pages", "filtered"])
def test_pages_of_several_ids_are_exact_while_events_arrive(get, store, link, minutes, filters):
    dice = random.Random(3)
    for alias in ("a", "b", "c"):
        link(alias, "ann")

    def some(count, *numbers):
        return store(
            {"user_id": dice.choice(["ann", "a", "b", "c"]), "timestamp": minutes(dice.choice(numbers)), "event_id": UUID(int=dice.randrange(40))}
            for _ in range(count)
        )  # fmt: skip

    def try_some(_):
        with contextlib.suppress(psycopg.errors.UniqueViolation):
            some(2, 6)

    stored = store(
        {"user_id": user_id, "timestamp": minutes(number // 3), "event_id": UUID(int=number % 3)}
        for number in range(15)
        for user_id in ("ann", "a", "b")
    )
    pages = page_through(get, between=try_some, user_id="b", limit=4, **filters)
    assert pages == sorted(pages, key=place_of, reverse=True)
    kept = [event for event in pages if event["timestamp"] < "2026-03-01T10:05"]
    assert len({place_of(event) for event in pages}) == len(pages)
    assert len(kept) == len(stored)


def test_a_cursor_is_of_its_identity(get, three_ids):
    cursor = get("/events", user_id="visitor", limit=1).json()["next_cursor"]
    assert get("/events", user_id="visitor", limit=1, cursor=cursor).status_code == 200
    refused = get("/events", user_id="visitor", limit=1, cursor=cursor, identity="raw")
    assert refused.json()["errors"][0]["code"] == "other_filters"


def test_links_of_sources_that_one_may_not_see_link_nothing(get, store, link, who_sees, guarded):
    link("visitor", "ann", "shop")
    link("visitor", "bob", "blog")
    store({"user_id": u, "source": s} for u in ("visitor", "ann", "bob") for s in ("shop", "blog"))

    def asked(session, **more):
        answer = session.get(f"{guarded.url}/events", params={"user_id": "visitor", **more}, timeout=30).json()
        return {(event["user_id"], event["source"]) for event in answer["events"]}

    assert asked(who_sees("blog")) == {("visitor", "blog"), ("bob", "blog")}
    assert asked(who_sees("shop")) == {("visitor", "shop"), ("ann", "shop")}
    assert asked(who_sees()) == {(user_id, source) for user_id in ("visitor", "ann") for source in ("shop", "blog")}
    assert asked(who_sees(), source="blog") == {("visitor", "blog"), ("bob", "blog")}


def test_too_many_ids_are_refused(get, shared_owner, minutes):
    shared_owner.execute(
        "insert into links (source, alias, person, at, event_id) "
        "select 'default', 'a' || n, 'ann', %s, gen_random_uuid() from generate_series(1, %s) as n",
        [minutes(0), MAX_IDS],
    )
    for path in ("/events", "/events/export", "/users/ann"):
        given = {} if path == "/users/ann" else {"user_id": "ann"}
        answer = get(path, **given)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_many_ids")
        assert get(path, identity="raw", **given).status_code in (200, 404)


def test_one_users_life_is_that_of_the_person(get, store, three_ids, minutes):
    life = get("/users/visitor", from_="2026-03-01T00:00:00Z", to="2026-03-02T00:00:00Z").json()
    assert (life["user_id"], life["identity"], life["events"]) == ("ann", "linked", 4)
    # One session of three ids.
    assert life["range"]["sessions"] == 1
    assert (life["first_seen"], life["last_seen"]) == ("2026-03-01T10:00:00Z", "2026-03-01T10:05:00Z")
    raw = get("/users/visitor", from_="2026-03-01T00:00:00Z", to="2026-03-02T00:00:00Z", identity="raw").json()
    assert (raw["user_id"], raw["identity"], raw["events"]) == ("visitor", "raw", 2)
    assert get("/user", user_id="other").json()["user_id"] == "bob"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(
        st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")).filter(lambda p: p[0] != p[1]),
        max_size=6,
        unique=True,
    )
)
def test_events_are_those_of_the_reference(get, store, shared_owner, minutes, pairs):
    shared_owner.execute("truncate links, events, users, event_counts")
    store({"user_id": user_id, "timestamp": minutes(number)} for number, user_id in enumerate("abcde"))
    links = [Link("default", a, p, minutes(number), UUID(int=number)) for number, (a, p) in enumerate(pairs)]
    with shared_owner.cursor() as cursor:
        cursor.executemany("insert into links (source, alias, person, at, event_id) values (%s, %s, %s, %s, %s)", links)
    counting = counting_links(links)
    for user_id in "abcde":
        assert users_of(get("/events", user_id=user_id)) == ids_of(user_id, counting)[1]
        assert get(f"/users/{user_id}").json()["user_id"] == ids_of(user_id, counting)[0]


def test_a_live_stream_is_of_the_person_as_the_links_are(shared_query, store, link):
    link("visitor", "ann")
    with (
        listening(shared_query, user_id="visitor") as linked,
        listening(shared_query, user_id="visitor", identity="raw") as raw,
    ):
        store([{"user_id": "ann"}, {"user_id": "new"}, {"user_id": "visitor"}])
        wait_until(lambda: len(linked.received) == 2)
        link("new", "ann")
        store([{"user_id": "new"}, {"user_id": "bob"}, {"user_id": "visitor"}])
        wait_until(lambda: len(linked.received) == 4 and len(raw.received) == 2)
        assert [data["user_id"] for _, data, _ in raw.received] == ["visitor", "visitor"]
        assert sorted(data["user_id"] for _, data, _ in linked.received) == ["ann", "new", "visitor", "visitor"]
