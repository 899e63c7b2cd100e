"""Pages of GET /events: no event is missing or repeated, whatever arrives between them."""

import base64
import json
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

FAR = 60 * 24 * 40  # minutes: another month


def page_through(get, between=lambda page: None, **parameters):
    """Every page's events, with `between` called before the next page is asked for."""
    events, cursor, number = [], None, 0
    while cursor or not number:
        answer = get("/events", **parameters, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body["events"]) <= parameters["limit"]
        assert body["events"] or not cursor, "a next page was promised, and is empty"
        assert number < 100, "the pages don't end"
        events += body["events"]
        cursor = body["next_cursor"]
        number += 1
        between(number)
    return events


def key_of(event):
    return (event["timestamp"], event["user_id"], event["event_id"])


def place_of(event):
    """Events of one moment are in the order in which they arrived."""
    return (event["timestamp"], event["user_id"], datetime.fromisoformat(event["received_at"]), event["event_id"])


def key_of_row(row):
    return (row["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ"), row["user_id"], str(row["event_id"]))


PATHS = {
    "one user": {"user_id": "ann"},
    "one user, filtered": {"user_id": "ann", "event_type": "view"},
    "everybody": {"from": "2026-02-28T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
}


@pytest.mark.parametrize("filters", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_ties_are_paged_through_while_events_arrive(get, store, minutes, limit, filters):
    users = ["ann"] if "user_id" in filters else ["ann", "bob", "Zoë"]
    dice = random.Random(limit)

    def some(count, *numbers):
        return store(
            {"user_id": dice.choice(users), "timestamp": minutes(dice.choice(numbers)), "event_id": UUID(int=dice.getrandbits(128), version=4)}
            for _ in range(count)
        )  # fmt: skip

    rows = some(14, 1, 2, 3)
    later = []

    def arrive(page):
        """Events before, at and after the time of the page, as long as there are some of the first to come."""
        if page <= 4:
            later.extend(some(2, 0, 1, 2, 3, 4))

    events = page_through(get, arrive, limit=limit, **filters)
    places = [place_of(event) for event in events]
    assert places == sorted(places, reverse=True)
    keys = [key_of(event) for event in events]
    assert len(set(keys)) == len(keys), "an event was answered twice"
    assert {key_of_row(row) for row in rows} <= set(keys), "an event was lost"
    assert set(keys) <= {key_of_row(row) for row in [*rows, *later]}


@pytest.mark.parametrize("filters", PATHS.values(), ids=PATHS)
def test_a_full_last_page_promises_no_other(get, store, minutes, filters):
    store({"timestamp": minutes(n)} for n in range(4))
    assert get("/events", limit=4, **filters).json()["next_cursor"] is None
    assert get("/events", limit=3, **filters).json()["next_cursor"] is not None
    assert len(page_through(get, limit=2, **filters)) == 4


def of_the_release_before(cursor):
    """The same cursor without the time at which its event was received."""
    digest, start, end, after = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert len(after) == 4
    return base64.urlsafe_b64encode(json.dumps([digest, start, end, after[:3]]).encode()).decode().rstrip("=")


@pytest.mark.parametrize("filters", PATHS.values(), ids=PATHS)
def test_cursors_of_the_release_before_go_on(get, store, minutes, filters):
    """Five events of one moment, which arrived one after the other with ids in no order."""
    for number, first in enumerate("2e4a0"):
        store([{"timestamp": minutes(0), "event_id": UUID(first * 32), "properties": {"n": number}}])
    found, cursor = [], None
    while cursor or not found:
        given = {"cursor": of_the_release_before(cursor)} if cursor else {}
        page = get("/events", limit=1, **filters, **given).json()
        found += [event["properties"]["n"] for event in page["events"]]
        cursor = page["next_cursor"]
    assert found == [4, 3, 2, 1, 0]


def test_an_export_goes_on_behind_an_event_of_the_same_moment(get, store, minutes):
    for first in "2e4a0":
        store([{"timestamp": minutes(0), "event_id": UUID(first * 32)}])
    rows = [json.loads(line) for line in get("/events/export").text.splitlines()]
    assert [row["event_id"][0] for row in rows] == list("0a4e2")
    for number, row in enumerate(rows):
        rest = get("/events/export", after=f"{row['timestamp']},{row['event_id']},{row['user_id']}").text.splitlines()
        assert [json.loads(line) for line in rest] == rows[number + 1 :]


def test_pages_cross_months(get, store, minutes):
    store({"timestamp": minutes(n * FAR), "event_type": str(n)} for n in range(7))
    assert [event["event_type"] for event in page_through(get, limit=2, user_id="ann")] == list("6543210")


def test_pages_stay_inside_the_range(get, store, minutes):
    store({"timestamp": minutes(n), "event_type": str(n)} for n in range(6))
    bounds = {"from": minutes(1).isoformat(), "to": minutes(5).isoformat()}
    for filters in ({"user_id": "ann"}, {}):
        assert [event["event_type"] for event in page_through(get, limit=1, **filters, **bounds)] == list("4321")


def test_the_limit_may_change_between_pages(get, store, minutes):
    store({"timestamp": minutes(n), "event_type": str(n)} for n in range(5))
    cursor = get("/events", user_id="ann", limit=1).json()["next_cursor"]
    rest = get("/events", user_id="ann", limit=1000, cursor=cursor).json()
    assert [event["event_type"] for event in rest["events"]] == list("3210")


def test_the_window_of_the_first_page_holds_for_all(get, store):
    store({"timestamp": datetime.now(UTC) - timedelta(minutes=n)} for n in range(3))
    first = get("/events", limit=1).json()
    store([{"timestamp": datetime.now(UTC)}])
    second = get("/events", limit=1, cursor=first["next_cursor"]).json()
    assert second["window"] == first["window"]


def test_the_order_of_types_and_properties_is_no_other_filter(get, store, minutes):
    store({"timestamp": minutes(n), "properties": {"a": "1", "b": "2"}} for n in range(3))
    first = get("/events", "?user_id=ann&limit=1&event_type=view&event_type=x&property.a=1&property.b=2").json()
    again = f"?property.b=2&property.a=1&event_type=x&event_type=view&user_id=ann&cursor={first['next_cursor']}"
    answer = get("/events", again)
    assert answer.status_code == 200
    assert len(answer.json()["events"]) == 2


@pytest.mark.parametrize("limit", [100, 1000])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_page_of_large_events_ends_early_and_the_next_goes_on(get, shared_owner, path, limit):
    """These 30 events have 18 MB: numbers are written out."""
    shared_owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, properties)"
        " select 'ann', timestamptz '2026-03-01 10:00Z' + n * interval '1 s', gen_random_uuid(), 'view',"
        " jsonb_build_object('n', n, 'numbers', array_fill(1e308::numeric, array[2000]))"
        " from generate_series(1, 30) n"
    )
    first = get("/events", limit=limit, **path).json()
    assert 1 < len(first["events"]) < 30
    assert first["next_cursor"]
    events = page_through(get, limit=limit, **path)
    assert [event["properties"]["n"] for event in events] == list(range(30, 0, -1))


def test_a_page_has_an_event_however_large_it_is(get, shared_owner):
    shared_owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, properties)"
        " select 'ann', timestamptz '2026-03-01 10:00Z' + n * interval '1 s', gen_random_uuid(), 'view',"
        " jsonb_build_object('numbers', array_fill(1e308::numeric, array[30000])) from generate_series(1, 3) n"
    )
    assert len(get("/events", user_id="ann", limit=2).json()["events"]) == 1
    assert len(page_through(get, user_id="ann", limit=2)) == 3


OTHERS = [
    ("another user", {"user_id": "bob"}),
    ("no user", {"user_id": None}),
    ("a type more", {"event_type": ["view", "click"]}),
    ("a session", {"session_id": "s"}),
    ("another property", {"property.a": "2"}),
    ("a source", {"source": "default"}),
    ("another beginning", {"from": "2026-02-28T00:00:01Z"}),
    ("another end", {"to": "2026-03-03T00:00:00Z"}),
]


@pytest.mark.parametrize("other", [case[1] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_a_cursor_belongs_to_its_filters(get, store, minutes, other):
    store({"timestamp": minutes(n), "properties": {"a": "1"}} for n in range(3))
    filters = {"user_id": "ann", "event_type": "view", "property.a": "1", **PATHS["everybody"]}
    cursor = get("/events", limit=1, **filters).json()["next_cursor"]
    answer = get("/events", limit=1, cursor=cursor, **{**filters, **other})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["parameter"], error["code"]) == ("cursor", "other_filters")


def forged(digest="AAAAAAAAAAA=", start="2026-03-01T00:00:00Z", end="2026-03-02T00:00:00Z", after=None):
    after = after or ["2026-03-01T10:00:00Z", "ann", "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"]
    return base64.urlsafe_b64encode(json.dumps([digest, start, end, after]).encode()).decode().rstrip("=")


MALFORMED = [
    ("empty", ""),
    ("not base64", "!"),
    ("of an impossible length", "abcde"),
    ("characters beyond ASCII", "é"),
    ("not JSON", base64.urlsafe_b64encode(b"hello").decode()),
    ("not UTF-8", base64.urlsafe_b64encode(b'["\xff"]').decode()),
    ("another shape", base64.urlsafe_b64encode(b'{"a":1}').decode()),
    ("a place without an offset", forged(after=["2026-03-01T10:00:00", "ann", "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"])),
    ("a user with U+0000", forged(after=["2026-03-01T10:00:00Z", "a\0", "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"])),
    ("a user with half a surrogate", forged(after=["2026-03-01T10:00:00Z", "\ud800", "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"])),
    ("an id that isn't one", forged(after=["2026-03-01T10:00:00Z", "ann", "x"])),
    ("a digest that isn't one", forged(digest="*")),
    ("a time before the calendar's beginning", forged(start="0001-01-01T00:00:00+14:00")),
    ("a time after its end", forged(end="9999-12-31T23:59:59-14:00")),
    ("a place at the beginning, in another zone", forged(start="0001-01-01T00:00:00Z", after=["0001-01-01T00:30:00-14:00", "ann", "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"])),
    ("a place before its range", forged(after=["2026-02-28T10:00:00Z", "ann", "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"])),
    ("a place after its range", forged(after=["2026-03-02T10:00:00Z", "ann", "5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"])),
]  # fmt: skip


@pytest.mark.parametrize("cursor", [case[1] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_a_malformed_cursor_is_refused(get, cursor):
    answer = get("/events", user_id="ann", cursor=cursor)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert (error["parameter"], error["code"]) == ("cursor", "invalid_cursor")


def test_every_change_to_a_cursor_is_refused_or_harmless(get, store, minutes):
    store({"timestamp": minutes(n)} for n in range(3))
    cursor = get("/events", user_id="ann", limit=1).json()["next_cursor"]
    dice = random.Random(1)
    for _ in range(100):
        place = dice.randrange(len(cursor))
        changed = cursor[:place] + dice.choice("AZaz09-_") + cursor[place + 1 :]
        assert get("/events", user_id="ann", cursor=changed).status_code in (200, 422)
