"""GET /stats/top-types: exact, whatever the range."""

import json
import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import requests


def counted(rows, start, end, limit):
    """The same, counted in Python: (items, total)."""
    inside = [
        row for row in rows if (start is None or row["timestamp"] >= start) and (end is None or row["timestamp"] < end)
    ]
    counts = Counter(row["event_type"] for row in inside)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))[:limit]
    items = [{"event_type": name, "count": count, "share": count / len(inside)} for name, count in ranked]
    return items, len(inside)


def test_an_empty_database_has_no_types(get):
    answer = get("/stats/top-types")
    assert answer.status_code == 200
    body = answer.json()
    as_of = datetime.fromisoformat(body.pop("as_of"))
    assert abs(as_of - datetime.now(UTC)) < timedelta(minutes=1)
    assert body == {"from": None, "to": None, "tz": "UTC", "items": [], "total": 0}


def test_a_range_without_events_has_no_types(get, store, minutes):
    store([{}])
    body = get("/stats/top-types", from_=minutes(1).isoformat(), to=minutes(200).isoformat()).json()
    assert (body["items"], body["total"]) == ([], 0)


def test_the_range_is_echoed_in_utc(get):
    body = get("/stats/top-types", from_="2026-03-01T12:30:00+02:30", to="2026-03-02T00:00:00.5Z").json()
    assert (body["from"], body["to"], body["tz"]) == ("2026-03-01T10:00:00Z", "2026-03-02T00:00:00.500000Z", "UTC")
    assert body["as_of"].endswith("Z")


def test_ties_are_in_the_order_of_names(get, store):
    store({"event_type": name} for name in ["b", "a", "é", "B", "z", "z"])
    assert [item["event_type"] for item in get("/stats/top-types").json()["items"]] == ["z", "B", "a", "b", "é"]


def test_the_total_counts_types_that_are_not_listed(get, store):
    store({"event_type": name} for name in "aaabbc")
    body = get("/stats/top-types", limit=1).json()
    assert body["items"] == [{"event_type": "a", "count": 3, "share": 0.5}]
    assert body["total"] == 6


def test_ten_types_are_listed_unless_a_limit_says_otherwise(get, store):
    store({"event_type": f"t{n:02}"} for n in range(12))
    assert len(get("/stats/top-types").json()["items"]) == 10
    assert len(get("/stats/top-types", limit=1000).json()["items"]) == 12


def test_slots_and_sources_are_added_up(get, store):
    store([{"source": source} for source in ("web", "app", "web", "app", "app")], slots=[1, 2, 30_000])
    assert get("/stats/top-types").json()["items"] == [{"event_type": "view", "count": 5, "share": 1.0}]


EDGES = [
    ("whole hours", 0, 120),
    ("inside one hour", 10, 50),
    ("inside one hour, from its beginning", 0, 50),
    ("inside one hour, to its end", 10, 60),
    ("one whole hour", 60, 120),
    ("over one edge", 50, 70),
    ("both edges inside hours", 10, 130),
    ("only the first edge inside an hour", 10, 120),
    ("only the last edge inside an hour", 0, 130),
    ("empty, at an hour", 60, 60),
    ("empty, inside an hour", 70, 70),
    ("no end", 70, None),
    ("no end, at an hour", 60, None),
    ("no beginning", None, 70),
    ("no beginning, at an hour", None, 60),
    ("no bounds", None, None),
]


@pytest.mark.parametrize(("first", "last"), [case[1:] for case in EDGES], ids=[case[0] for case in EDGES])
def test_edges_are_exact(get, store, minutes, first, last):
    rows = store(({"timestamp": minutes(n), "event_type": f"t{n % 3}"} for n in range(-60, 240, 5)), slots=[0, 7])
    start, end = (None if edge is None else minutes(edge) for edge in (first, last))
    bounds = {name: time.isoformat() for name, time in (("from", start), ("to", end)) if time}
    body = get("/stats/top-types", **bounds).json()
    assert (body["items"], body["total"]) == counted(rows, start, end, 10)


@pytest.mark.parametrize("seed", range(3))
def test_random_ranges_agree_with_an_independent_count(get, store, minutes, seed):
    dice = random.Random(seed)
    span = 60 * 24 * 45  # minutes: over the end of a month
    rows = store(
        (
            {
                "timestamp": minutes(dice.choice([dice.uniform(0, span), dice.randrange(0, span, 60)])),
                "event_type": dice.choice("abcdefghijkl"),
                "source": dice.choice(["web", "app"]),
                "user_id": f"u{dice.randrange(5)}",
            }
            for _ in range(2000)
        ),
        slots=[0, 3, 31_000],
    )
    times = [row["timestamp"] for row in rows]
    for _ in range(60):
        width = dice.choice([0.5, 30, 61, 60 * 24, span])
        middle = dice.choice([dice.choice(times), minutes(dice.randrange(0, span, 60)), minutes(dice.uniform(0, span))])
        start, end = (
            middle - timedelta(minutes=dice.uniform(0, width)),
            middle + timedelta(minutes=dice.uniform(0, width)),
        )
        start, end = dice.choice([start, middle, None]), dice.choice([end, middle, None])
        limit = dice.choice([1, 5, 1000])
        bounds = {name: time.isoformat() for name, time in (("from", start), ("to", end)) if time}
        body = get("/stats/top-types", limit=limit, **bounds).json()
        assert (body["items"], body["total"]) == counted(rows, start, end, limit), (start, end)


def test_counts_and_events_are_of_one_snapshot(collector, query):
    """While events are being stored, one type per request, whole hours and edges never disagree about any of them."""
    stop = threading.Event()

    def send():
        while not stop.is_set():
            events = [{"user_id": "ann", "event_type": name} for name in ("a", "b")]
            assert requests.post(f"{collector.url}/events", json=events, timeout=30).status_code == 200

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(40):
            items = requests.get(f"{query.url}/stats/top-types", timeout=30).json()["items"]
            start = (datetime.now(UTC) - timedelta(minutes=90)).isoformat()
            since = requests.get(f"{query.url}/stats/top-types", params={"from": start}, timeout=30).json()["items"]
            for counts in ([item["count"] for item in found] for found in (items, since)):
                assert counts in ([], [counts[0], counts[0]] if counts else [])
    finally:
        stop.set()
        sender.join()


@pytest.mark.parametrize(("identity", "expected"), [("linked", {"view": 1, "buy": 1}), ("raw", {"buy": 1})])
def test_a_filter_of_users_is_about_persons(get, store, shared_owner, identity, expected):
    store([{"user_id": "anon"}, {"user_id": "ann", "event_type": "buy"}, {"user_id": "bob"}])
    shared_owner.execute(
        "insert into links (source, alias, person, at, event_id) values ('default', 'anon', 'ann', now(), gen_random_uuid())"
    )
    bought = {"user": {"did": {"field": "event_type", "operator": "is", "value": "buy"}}}
    answer = get("/stats/top-types", filter=json.dumps(bought), identity=identity)
    assert {one["event_type"]: one["count"] for one in answer.json()["items"]} == expected
