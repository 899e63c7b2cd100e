"""GET /events/live: each new event is sent once to each client whose filter selects it, until either side ends the stream."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import requests
from listener import listening
from waiting import wait_until

from event_tracker.query.events.event_pages import make_stored_event
from event_tracker.query.events.parameters import EARLIEST, LATEST, EventQuery, Position
from event_tracker.query.events.streams.live_filter import LiveFilter
from event_tracker.query.filters.matches import EventValues

T0 = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def metric(service, name):
    text = requests.get(f"{service.url}/metrics", timeout=30).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def numbered(*numbers, **more):
    return [{"timestamp": T0 + timedelta(seconds=n), "properties": {"n": n}, **more} for n in numbers]


def test_what_is_stored_is_told_once_as_the_list_has_it(shared_query, get, store):
    store(numbered(1))
    with listening(shared_query) as listener:
        assert listener.answer.headers["Content-Type"].startswith("text/event-stream")
        assert listener.answer.headers["Cache-Control"] == "no-store"
        assert listener.answer.headers["X-Accel-Buffering"] == "no"
        store(numbered(2, 3))
        wait_until(lambda: len(listener.received) >= 2)
        store(numbered(0, 4))
        wait_until(lambda: len(listener.received) >= 4)
        time.sleep(2.5)
        assert sorted(listener.numbers()) == [0, 2, 3, 4], "what was stored before isn't told, nor anything twice"
        listed = get("/events", user_id="ann").json()["events"]
        assert all(data in listed for _, data, _ in listener.received)
        assert len({id_ for _, _, id_ in listener.received}) == 4


def test_who_joins_later_hears_what_comes_later(shared_query, store):
    with listening(shared_query) as first:
        store(numbered(1))
        with listening(shared_query) as second:
            store(numbered(2))
            wait_until(lambda: second.received and len(first.received) == 2)
            assert (first.numbers(), second.numbers()) == ([1, 2], [2])


def test_who_joins_after_all_have_left_hears_nothing_old(shared_query, store):
    with listening(shared_query) as first:
        store(numbered(1))
        wait_until(lambda: first.received)
    wait_until(lambda: metric(shared_query, "query_live_clients") == 0)
    store(numbered(2))
    with listening(shared_query) as second:
        store(numbered(3))
        wait_until(lambda: second.received)
        time.sleep(1.5)
        assert second.numbers() == [3]


def test_filters_choose(shared_query, store):
    with (
        listening(shared_query, user_id="bob") as bobs,
        listening(shared_query, event_type=["buy", "sell"]) as trades,
        listening(shared_query, session_id="s", **{"property.plan": "pro"}) as pros,
        listening(shared_query) as everything,
    ):
        store(
            [
                *numbered(1, user_id="bob"),
                *numbered(2, event_type="sell"),
                *numbered(3, session_id="s"),
                {"session_id": "s", "properties": {"n": 4, "plan": "pro"}},
                {"session_id": "t", "properties": {"n": 5, "plan": "pro"}},
            ]
        )
        wait_until(lambda: len(everything.received) == 5 and bobs.received and trades.received and pros.received)
        assert (bobs.numbers(), trades.numbers(), pros.numbers()) == ([1], [2], [4])


PROPERTIES = [
    {"a": "x", "b": "1"}, {"a": 1}, {"a": 1.0}, {"a": "1.0"}, {"a": 1.50}, {"a": "1.500"}, {"a": "01"}, {"a": "1."}, {"a": "-0"}, {"a": -0.0}, {"a": 0}, {"a": True}, {"a": "true"}, {"a": None}, {"a": "null"},
    {"a": {"b": 1, "aa": [1, 2]}}, {"a": []}, {"a": ""}, {}, {"a": "é\n\"\\ \u2028"}, {"a": 1e20}, {"a": 1e-9}, {"a": 12345678901234567890}, {"a b": "x"},
]  # fmt: skip


def test_a_filter_in_python_means_what_it_means_in_sql(shared_query, get, shared_owner, store):
    """Every value that PostgreSQL shows for any property, asked for by both."""
    store(
        {"user_id": user, "event_type": kind, "session_id": session, "properties": properties}
        for user, kind, session in (("ann", "view", None), ("bob", "buy", "s"))
        for properties in PROPERTIES
    )
    rows = shared_owner.execute(
        'select user_id, event_type, "timestamp", event_id, session_id, properties::text, received_at, source from events'
    ).fetchall()
    events = [make_stored_event(*row) for row in rows]
    values = {
        row[0]
        for row in shared_owner.execute(
            "select distinct value from events, jsonb_each_text(properties) where value is not null"
        )
    }
    asked = [{"property.a": value} for value in [*values, "1.00", "-0.0", "0.00", "1e20", "null", "nothing"]]
    asked += [{"property.a": "x", "property.b": "1"}, {"property.a": "x", "property.b": "2"}, {"property.a b": "x"}]
    asked += [
        {"user_id": "ann"},
        {"event_type": ["buy", "x"]},
        {"session_id": "s"},
        {"session_id": "s", "property.a": "1"},
    ]
    some = 0
    for parameters in asked:
        answer = get("/events/export", **parameters)
        in_sql = {json.loads(line)["event_id"] for line in answer.text.split("\n")[:-1]}
        wanted = tuple((name.removeprefix("property."), value) for name, value in parameters.items() if "." in name)
        types = tuple(parameters.get("event_type", ()))
        place = Position.before(LATEST)
        filter_ = EventQuery(
            parameters.get("user_id"),
            types,
            parameters.get("session_id"),
            wanted,
            None,
            None,
            EARLIEST,
            LATEST,
            0,
            place,
            b"",
        )
        in_python = {str(event.event_id) for event in events if LiveFilter(filter_).selects(event, EventValues(event))}
        assert in_python == in_sql, parameters
        some += len(in_sql)
    assert some > 30


def test_an_event_that_is_committed_late_is_told(shared_query, shared_owner, store, postgres, shared_database):
    """Its transaction began before that of events which were told already."""
    with listening(shared_query) as listener:
        with psycopg.connect(postgres.url(shared_database)) as slow:
            slow.execute(
                "insert into events (user_id, timestamp, event_id, event_type, properties) values ('late', now(), gen_random_uuid(), 'x', '{\"n\": 7}')"
            )
            time.sleep(0.1)
            store(numbered(1))
            wait_until(lambda: listener.received)
            time.sleep(2)
            slow.commit()
        wait_until(lambda: len(listener.received) == 2)
        assert listener.numbers() == [1, 7]


def test_one_transaction_of_many_pages_is_told_whole(shared_query, shared_owner):
    """All of its events have the same received_at."""
    with listening(shared_query, event_type="x") as listener:
        shared_owner.execute(
            "insert into events (user_id, timestamp, event_id, event_type, properties) "
            "select 'u', '2026-03-01', gen_random_uuid(), case when n % 10 = 0 then 'x' else 'y' end, jsonb_build_object('n', n) from generate_series(1, 4500) n"
        )
        wait_until(lambda: len(listener.received) == 450)
        time.sleep(1.5)
        assert sorted(listener.numbers()) == list(range(10, 4501, 10))


def test_a_slow_reader_is_told_how_many_it_missed(start_service, postgres, database, owner):
    """Its buffers fill up while it doesn't read; a quick reader beside it misses nothing."""
    service = start_service("query", DATABASE_URL=postgres.url(database, "query"))
    host, port = service.url.removeprefix("http://").split(":")
    # Not for long: after 30 s the service would hang up on the slow one.
    rounds, each = 5, 900
    with socket.socket() as slow, listening(service, event_type="x") as quick:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(b"GET /events/live HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: metric(service, "query_live_clients") == 2)
        for number in range(rounds):
            owner.execute(
                "insert into events (user_id, timestamp, event_id, event_type, properties) select 'u', '2026-03-01', gen_random_uuid(), 'x', "
                f"jsonb_build_object('n', n + {number * each}, 'text', repeat('x', 3000)) from generate_series(1, {each}) n"
            )
            wait_until(lambda number=number: len(quick.received) == (number + 1) * each)
        dropped = metric(service, "query_live_events_dropped_total")
        assert dropped > 1000
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)  # it's no longer to be slow
        slow.settimeout(30)
        read = b""
        while b"event: dropped" not in read or not read.endswith(b"\n\n\r\n"):
            part = slow.recv(1 << 20)
            assert part, "it was hung up on"
            read += part
        lines = read.split(b"\n")
        count = json.loads(lines[lines.index(b"event: dropped") + 1].removeprefix(b"data: "))["count"]
        assert count == dropped
        assert sum(line == b"event: event" for line in lines) + count == rounds * each
        assert sorted(quick.numbers()) == list(range(1, rounds * each + 1))


def test_clients_are_bounded_and_one_that_leaves_makes_room(start_service, postgres, database):
    service = start_service("query", DATABASE_URL=postgres.url(database, "query"), LIVE_CLIENTS=2)
    with listening(service), listening(service):
        assert metric(service, "query_live_clients") == 2
        refused = requests.get(f"{service.url}/events/live", timeout=30)
        assert refused.status_code == 503
        assert refused.json()["code"] == "busy"
        assert "Retry-After" in refused.headers
    # At once, not at the next keep-alive in 15 s.
    wait_until(lambda: metric(service, "query_live_clients") == 0, seconds=10)
    wait_until(lambda: metric(service, "http_requests_in_progress") == 1)
    with listening(service):
        assert requests.head(f"{service.url}/events/live", timeout=30).status_code == 200
        wait_until(lambda: metric(service, "query_live_clients") == 1)


def test_nobody_listening_costs_no_question(start_service, postgres, database):
    service = start_service("query", DATABASE_URL=postgres.url(database, "query"))

    def asked():
        return metric(service, 'query_db_duration_seconds_count{query="live_events"}')

    def is_quiet():
        """It would ask each second."""
        before = asked()
        time.sleep(2.5)
        return asked() == before

    with listening(service):
        wait_until(lambda: asked() >= 4)
    wait_until(is_quiet)


def test_silence_is_kept_alive(shared_query, store):
    with listening(shared_query) as listener:
        wait_until(lambda: listener.comments, seconds=60)
        assert listener.comments == [b": keep-alive"]


def test_an_outage_is_outlasted_and_nothing_is_missed(start_service, own_postgres):
    service = start_service("query", DATABASE_URL=own_postgres.url("events", "query"))

    def insert(number):
        with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
            owner.execute(
                "insert into events (user_id, timestamp, event_id, event_type, properties) values ('u', now(), gen_random_uuid(), 'x', %s)",
                [json.dumps({"n": number})],
            )

    with listening(service) as listener:
        insert(1)
        wait_until(lambda: listener.received)
        own_postgres.stop("immediate")
        time.sleep(3)
        assert not listener.ended
        refused = requests.get(f"{service.url}/events/live", timeout=30)
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        own_postgres.start()
        insert(2)
        wait_until(lambda: len(listener.received) == 2, seconds=40)
        insert(3)
        wait_until(lambda: len(listener.received) == 3)
        assert listener.numbers() == [1, 2, 3]


def test_draining_ends_the_streams_properly_and_at_once(start_service, postgres, database):
    service = start_service("query", DATABASE_URL=postgres.url(database, "query"), DRAIN_SECONDS=12)
    with listening(service) as listener:
        service.process.terminate()
        wait_until(lambda: listener.ended, seconds=8)
        assert service.process.poll() is None, "it ended with the process, not at the beginning of the drain"
        # Who comes while it drains is let go as well.
        late = requests.get(f"{service.url}/events/live", timeout=30)
        assert (late.status_code, late.text) == (200, "retry: 2000\n\n")
    assert service.stop() == 0


@pytest.mark.parametrize(
    ("query", "name", "code"),
    [
        ("?from=2026-03-01T00:00:00Z", "from", "unknown_parameter"),
        ("?user_id=", "user_id", "length"),
        ("?user_id=a&user_id=b", "user_id", "repeated_parameter"),
    ],
)
def test_wrong_parameters_are_told(get, query, name, code):
    answer = get("/events/live", query)
    assert answer.status_code == 422, answer.text
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [(name, code)]


def test_other_origins_may_listen_when_they_are_allowed(start_service, postgres, shared_database):
    service = start_service(
        "query", DATABASE_URL=postgres.url(shared_database, "query"), CORS_ORIGINS="https://shop.example"
    )
    with requests.get(
        f"{service.url}/events/live", headers={"Origin": "https://shop.example"}, stream=True, timeout=30
    ) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
