"""GET /events: which events it returns, and their form."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
import requests

ID = UUID("5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11")


def types_of(answer):
    assert answer.status_code == 200, answer.text
    return [event["event_type"] for event in answer.json()["events"]]


def test_an_event_is_answered_with_every_field(get, store, minutes, shared_owner):
    properties = {"page": "/ä", "n": 1.50, "deep": [1, {"b": None}], "quote": '"}'}
    store([{"event_id": ID, "session_id": "s", "properties": properties, "timestamp": minutes(0.5), "source": "web"}])
    ((received_at,),) = shared_owner.execute("select received_at from events").fetchall()
    answer = get("/events", user_id="ann")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    (event,) = answer.json()["events"]
    assert datetime.fromisoformat(event.pop("received_at")) == received_at
    assert event == {
        "user_id": "ann",
        "event_type": "view",
        "timestamp": "2026-03-01T10:00:30Z",
        "event_id": str(ID),
        "session_id": "s",
        "properties": properties,
        "source": "web",
    }


def test_times_are_utc_with_a_z_and_keep_their_microseconds(get, store):
    east = datetime(2026, 3, 1, 1, 2, 3, 45, tzinfo=timezone(timedelta(hours=2)))
    store([{"timestamp": east}])
    (event,) = get("/events", user_id="ann").json()["events"]
    assert event["timestamp"] == "2026-02-28T23:02:03.000045Z"
    assert event["received_at"].endswith("Z")
    assert event["session_id"] is None


def test_an_unknown_user_has_no_events_and_no_next_page(get):
    answer = get("/events", user_id="nobody")
    assert answer.status_code == 200
    assert answer.json() == {"events": [], "next_cursor": None, "identity": "linked"}


def test_events_come_newest_first_whatever_their_month(get, store, minutes):
    month = 60 * 24 * 31
    store([{"event_type": f"e{n}", "timestamp": minutes(n * month)} for n in (0, -14, 2, -1, 1)])
    assert types_of(get("/events", user_id="ann")) == ["e2", "e1", "e0", "e-1", "e-14"]


def test_all_partitions_are_read(get, store, minutes, shared_owner):
    shared_owner.execute(
        "create table events_2026_03 partition of events for values from ('2026-03-01') to ('2026-04-01')"
    )
    store([{"event_type": f"e{n}", "timestamp": minutes(n * 60 * 24 * 31)} for n in (-1, 0, 1)])
    answer = types_of(get("/events", user_id="ann"))
    shared_owner.execute("drop table events_2026_03")
    assert answer == ["e1", "e0", "e-1"]


EVENTS = [
    {"event_type": "a", "session_id": "s1", "properties": {"plan": "pro", "n": 1, "on": True, "x.y": "dot"}},
    {"event_type": "b", "session_id": "s2", "properties": {"plan": "pro", "n": 1.5, "on": False, "none": None}},
    {
        "event_type": "c",
        "session_id": "s1",
        "properties": {"plan": "", "n": "1", "tags": ["t"], "o": {"plan": "pro"}, "event_type": "x"},
    },
    {"event_type": "d", "properties": {"plan": "null", "n": 12345678901234567890, "ключ": "знач & ение"}},
    {"event_type": "z", "user_id": "bob", "session_id": "s1", "properties": {"plan": "pro"}},
]

FILTERS = [
    ("one type", {"event_type": "b"}, "b"),
    ("any of several types", {"event_type": ["a", "d", "a"]}, "ad"),
    ("a type that isn't there", {"event_type": "nothing"}, ""),
    ("a session, the user's part of it", {"session_id": "s1"}, "ac"),
    ("a string property", {"property.plan": "pro"}, "ab"),
    ("an empty string", {"property.plan": ""}, "c"),
    ("a number by its JSON text, and a string that looks like it", {"property.n": "1"}, "ac"),
    ("a number in another spelling", {"property.n": "1.0"}, "ac"),
    ("a fraction", {"property.n": "1.5"}, "b"),
    ("a fraction in another spelling", {"property.n": "1.50"}, "b"),
    ("a spelling that no JSON number has", {"property.n": "01"}, ""),
    ("a number no float holds", {"property.n": "12345678901234567890"}, "d"),
    ("a boolean", {"property.on": "true"}, "a"),
    ("null is no text", {"property.none": "null"}, ""),
    ("the string null is", {"property.plan": "null"}, "d"),
    ("a member below another isn't meant", {"property.o.plan": "pro"}, ""),
    ("a dot may be part of the name", {"property.x.y": "dot"}, "a"),
    ("a property with the name of a repeatable parameter", {"property.event_type": "x"}, "c"),
    ("any characters", {"property.ключ": "знач & ение"}, "d"),
    ("several properties must all match", {"property.plan": "pro", "property.n": "1"}, "a"),
    ("all kinds of filters at once", {"event_type": ["a", "b"], "session_id": "s2", "property.plan": "pro"}, "b"),
]


@pytest.mark.parametrize(("filters", "expected"), [case[1:] for case in FILTERS], ids=[case[0] for case in FILTERS])
def test_filters_narrow_the_answer(get, store, minutes, filters, expected):
    store({**event, "timestamp": minutes(-n)} for n, event in enumerate(EVENTS))
    assert "".join(types_of(get("/events", user_id="ann", **filters))) == expected
    window = {"from": minutes(-10).isoformat(), "to": minutes(10).isoformat()}
    everybody = "".join(types_of(get("/events", **filters, **window)))
    assert everybody.replace("z", "") == expected


RANGES = [
    ("from is in the range", {"from": 1}, "321"),
    ("to isn't", {"to": 2}, "10"),
    ("both", {"from": 1, "to": 2}, "1"),
    ("an empty range", {"from": 1, "to": 1}, ""),
    ("a range before everything", {"to": -5}, ""),
    ("a range after everything", {"from": 5}, ""),
]


@pytest.mark.parametrize(("bounds", "expected"), [case[1:] for case in RANGES], ids=[case[0] for case in RANGES])
def test_ranges_are_half_open(get, store, minutes, bounds, expected):
    store({"event_type": str(n), "timestamp": minutes(n)} for n in range(4))
    parameters = {name: minutes(number).isoformat() for name, number in bounds.items()}
    assert "".join(types_of(get("/events", user_id="ann", **parameters))) == expected
    everybody = {"from": minutes(-10).isoformat(), "to": minutes(10).isoformat(), **parameters}
    assert "".join(types_of(get("/events", **everybody))) == expected


def test_a_bound_is_exact_to_the_microsecond(get, store, minutes):
    tick = timedelta(microseconds=1)
    store({"event_type": str(n), "timestamp": minutes(0) + n * tick} for n in range(3))
    bounds = {"from": (minutes(0) + tick).isoformat(), "to": (minutes(0) + 2 * tick).isoformat()}
    assert types_of(get("/events", user_id="ann", **bounds)) == ["1"]


def test_an_offset_in_a_bound_counts(get, store, minutes):
    store({"event_type": str(n), "timestamp": minutes(n)} for n in range(2))
    assert types_of(get("/events", user_id="ann", from_="2026-03-01T12:31:00+02:30")) == ["1"]


@pytest.mark.parametrize("parameters", [{"user_id": "ann"}, {}], ids=["one user", "everybody"])
def test_fifty_events_are_answered_unless_a_limit_says_otherwise(get, store, parameters):
    store({"timestamp": datetime.now(UTC) - timedelta(seconds=n)} for n in range(1001))
    assert len(get("/events", **parameters).json()["events"]) == 50
    assert len(get("/events", limit=1, **parameters).json()["events"]) == 1
    page = get("/events", limit=1000, **parameters).json()
    assert len(page["events"]) == 1000
    assert page["next_cursor"] is not None


def test_without_a_user_the_last_day_is_answered_and_named(get, store):
    now = datetime.now(UTC)
    hours = [-25, -23.9, -1, 23.9]
    store({"event_type": str(h), "user_id": f"u{h}", "timestamp": now + timedelta(hours=h)} for h in hours)
    answer = get("/events")
    assert types_of(answer) == ["23.9", "-1", "-23.9"]
    window = {name: datetime.fromisoformat(time) for name, time in answer.json()["window"].items()}
    assert abs(window["from"] - now + timedelta(hours=24)) < timedelta(minutes=1)
    assert abs(window["to"] - now - timedelta(hours=24)) < timedelta(minutes=1)


def test_without_a_user_the_day_before_to_is_answered_and_named(get, store, minutes):
    day = 24 * 60
    store({"event_type": str(n), "timestamp": minutes(n)} for n in (-day - 1, -day, -1, 0))
    answer = get("/events", to=minutes(0).isoformat())
    assert types_of(answer) == ["-1", str(-day)]
    assert answer.json()["window"] == {"from": "2026-02-28T10:00:00Z", "to": "2026-03-01T10:00:00Z"}


@pytest.mark.parametrize("time", ["00:00:00Z", "00:30:00Z", "05:00:00Z", "23:00:00Z"])
def test_a_window_at_the_beginning_of_time_is_cut_there(get, time):
    answer = get("/events", to=f"0001-01-01T{time}")
    assert answer.json()["window"] == {"from": "0001-01-01T00:00:00Z", "to": f"0001-01-01T{time}"}


def test_with_a_user_there_is_no_window(get):
    assert "window" not in get("/events", user_id="ann").json()


def test_a_head_request_has_no_body(shared_query):
    answer = requests.head(f"{shared_query.url}/events", params={"user_id": "ann"}, timeout=30)
    assert answer.status_code == 200
    assert answer.content == b""


def test_what_the_collector_stores_is_answered(collector, query):
    sent = {"user_id": "ann", "event_type": "view", "properties": {"ä": [1.0, "\\u0041"]}}
    receipt = requests.post(f"{collector.url}/events", json=sent, timeout=30).json()
    (event,) = requests.get(f"{query.url}/events?user_id=ann", timeout=30).json()["events"]
    assert event["event_id"] == receipt["event_id"]
    assert event["timestamp"] == receipt["timestamp"]
    assert event["properties"] == sent["properties"]
    types = requests.get(f"{query.url}/stats/top-types", timeout=30).json()
    assert types["items"] == [{"event_type": "view", "count": 1, "share": 1.0}]


@pytest.mark.parametrize("busy", [0, 1, 2, 3])
def test_a_quiet_hour_hides_nothing_of_the_window(get, store, busy):
    now = datetime.now(UTC)
    ages = [*(timedelta(seconds=n) for n in range(busy)), *(timedelta(hours=n) for n in range(2, 20, 5))]
    store({"event_type": f"e{n}", "timestamp": now - age} for n, age in enumerate(ages))
    for limit in (1, 2, 3, 4, 50):
        answer = get("/events", limit=limit)
        assert types_of(answer) == [f"e{n}" for n in range(len(ages))][:limit]
        assert (answer.json()["next_cursor"] is not None) == (limit < len(ages))
