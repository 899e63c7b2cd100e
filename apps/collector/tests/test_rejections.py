"""Refused events are kept within bounds, found by user, and stored once when they are replayed."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
import requests
from waiting import eventually

from event_tracker.collector.rejections.recorder import PendingRejection, RejectionRecorder, read_clock
from event_tracker.core.postgres.pool import open_pool
from event_tracker.model.event_schemas import set_schema
from event_tracker.model.rejections import count_rejections, list_rejections, request_replay
from event_tracker.model.storing.keep_rejections import NewRejection

AMOUNT = {"required": ["amount"], "properties": {"amount": {"type": "number"}}}
LENIENT = {"properties": {"amount": {"type": ["number", "string"]}}}


def purchase(user_id="ann", **properties):
    return {"user_id": user_id, "event_type": "purchase", "properties": properties}


def post(collector, body, **parameters):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    return requests.post(f"{collector.url}/events", data=data, headers=headers, params=parameters, timeout=30)


def metric(collector, name):
    lines = requests.get(f"{collector.url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def kept(owner, number, **which):
    """The refused events, once there are so many."""
    assert eventually(lambda: len(list_rejections(owner, **which)) >= number)
    found = list_rejections(owner, **which)
    assert len(found) == number
    return found


def stored(owner):
    return owner.execute("select user_id, timestamp, event_id, violations from events order by timestamp").fetchall()


@pytest.fixture
def enforced(owner):
    """The events without a key are held to a schema from the start."""
    set_schema(owner, "default", "purchase", AMOUNT)
    owner.execute("update sources set schema_mode = 'enforce' where name = 'default'")


@pytest.fixture
def start_collector(start_service, postgres, database, enforced):
    def start(**settings):
        return start_service("collector", DATABASE_URL=postgres.url(database, "collector"), **settings)

    return start


def test_a_refused_event_is_kept_as_it_was_sent(start_collector, owner):
    collector = start_collector()
    body = b'{ "user_id":"ann",  "event_type":"purchase", "properties":{"amount":"ten"} }'
    assert post(collector, body).status_code == 422
    (one,) = kept(owner, 1)
    assert one.payload.encode() == body
    assert (one.source, one.reason, one.event_type, one.user_id) == ("default", "schema_violation", "purchase", "ann")
    assert one.detail == [
        {
            "pointer": "/properties/amount",
            "code": "schema_violation",
            "detail": 'It is not of type "number".',
            "schema_version": 1,
        }
    ]
    assert (one.is_whole, one.replay_requested_at, one.id.version) == (True, None, 7)
    assert one.client == requests.utils.default_user_agent()
    assert datetime.now(UTC) - one.received_at < timedelta(minutes=1)
    assert eventually(lambda: metric(collector, "collector_rejections_kept_total") == 1)


def test_of_a_batch_the_refused_ones_are_kept_each_with_its_own_errors(start_collector, owner):
    collector = start_collector()
    lines = [purchase(amount=1), purchase("bob"), {"user_id": "cem"}, purchase("dan", amount=2)]
    assert post(collector, lines).status_code == 207
    found = {one.user_id: one for one in kept(owner, 2)}
    assert [(error["pointer"], error["code"]) for error in found["bob"].detail] == [
        ("/properties/amount", "schema_violation")
    ]
    assert [(error["pointer"], error["code"]) for error in found["cem"].detail] == [("/event_type", "required")]
    counted = [(one.event_type, one.reason, one.events, one.waiting) for one in count_rejections(owner)]
    assert counted == [("purchase", "schema_violation", 1, 0), (None, "required", 1, 0)]


@pytest.mark.parametrize(
    ("event", "user_id", "reason"),
    [
        (b'{"user_id":"ann","event_type":7}', "ann", "wrong_type"),
        (b'{"user_id":"ann","event_type":"view","properties":{"a":NaN}}', "ann", "number_out_of_range"),
        (b'{"user_id":"ann","event_type":"\\ud800","properties":{"a":"\\ud800"}}', "ann", "lone_surrogate"),
        (b'{"user_id":"ann","event_type":"a\\u0000","properties":{"a\\u0000":1}}', "ann", "nul_character"),
        (b'{"user_id":"a\\u0000","event_type":"view"}', None, "nul_character"),
        (b'{"user_id":"\\ud800","event_type":"view"}', None, "lone_surrogate"),
        (b'{"user_id":7,"event_type":"view"}', None, "wrong_type"),
        (b'{"event_type":"view"}', None, "required"),
        (b'{"user_id":"' + b"x" * 201 + b'","event_type":"view"}', None, "length"),
        (b'"\xff"', None, "invalid_json"),
        (b"{", None, "invalid_json"),
        (b"[]", None, "wrong_type"),
        (b'{"user_id":"ann","event_type":"view","properties":' + b'{"a":' * 40 + b"1" + b"}" * 41, "ann", "too_deep"),
        (b"[" * 50_000, None, "too_deep"),
    ],
)  # fmt: skip
def test_whatever_is_refused_is_kept_with_whose_it_is(collector, owner, event, user_id, reason):
    headers = {"Content-Type": "application/x-ndjson"}
    assert requests.post(f"{collector.url}/events", data=event, headers=headers, timeout=30).status_code == 422
    (one,) = kept(owner, 1)
    assert one.user_id == user_id
    assert reason in {error["code"] for error in one.detail} | {one.reason}


def test_an_array_read_leniently_loses_no_refused_event(collector, owner):
    assert (
        post(collector, b'[{"user_id":"ann","event_type":"view","properties":{"a":NaN}},{"user_id":"bob"}]').status_code
        == 422
    )
    found = {one.user_id: json.loads(one.payload) for one in kept(owner, 2)}
    assert str(found["ann"]["properties"]["a"]) == "nan"
    assert found["bob"] == {"user_id": "bob"}


def test_what_is_not_refused_as_an_event_is_not_kept(start_collector, owner):
    collector = start_collector()
    assert post(collector, purchase(), dry_run="true").status_code == 422
    assert post(collector, b"not json").status_code == 400
    wrong = requests.post(f"{collector.url}/events", json=purchase(), headers={"X-Write-Key": "x"}, timeout=30)
    assert wrong.status_code == 401
    assert post(collector, purchase()).status_code == 422  # this one is
    kept(owner, 1)


def test_a_long_payload_is_cut_off_found_and_never_replayed(start_collector, owner):
    collector = start_collector(MAX_EVENT_BYTES=5000, REJECTION_BYTES=1000)
    assert post(collector, [purchase(amount=1), purchase("bob", text="x" * 9000)]).status_code == 207
    (one,) = kept(owner, 1)
    assert (one.reason, one.user_id, one.is_whole, len(one.payload)) == ("event_too_large", "bob", False, 1000)
    assert request_replay(owner, "default") == 0


def test_no_more_than_so_many_are_kept_of_each_source_the_newest(start_collector, owner):
    owner.execute(
        "insert into rejections select uuidv7(), 'other', now(), 'required', '[]', null, null, '', true from generate_series(1, 50)"
    )
    collector = start_collector(REJECTIONS_KEPT=10)
    for start in range(0, 40, 20):
        post(collector, [purchase(f"u{number:02}") for number in range(start, start + 20)])
        assert eventually(lambda start=start: metric(collector, "collector_rejections_kept_total") == start + 20)
    assert eventually(lambda: len(list_rejections(owner, ["default"])) == 10)
    assert {one.user_id for one in list_rejections(owner, ["default"])} == {f"u{number}" for number in range(30, 40)}
    assert len(list_rejections(owner, ["other"], limit=100)) == 50


def test_old_ones_go_also_when_nothing_is_refused(start_collector, owner):
    for days in (1, 3):
        values = [uuid4(), datetime.now(UTC) - timedelta(days=days)]
        owner.execute("insert into rejections values (%s, 'shop', %s, 'required', '[]', null, null, '', true)", values)
    start_collector(REJECTION_DAYS=2)
    assert eventually(lambda: len(list_rejections(owner)) == 1)


def test_none_are_kept_where_none_are_wanted(start_collector, owner):
    collector = start_collector(REJECTIONS_KEPT=0)
    assert post(collector, purchase()).status_code == 422
    collector.stop()
    assert list_rejections(owner) == []


def test_what_does_not_fit_is_dropped_and_counted_and_no_source_takes_all(start_collector, owner, postgres, database):
    collector = start_collector()
    with psycopg.connect(postgres.url(database)) as locker:
        locker.execute("lock table rejections in exclusive mode")
        for _ in range(3):
            assert post(collector, [purchase()] * 1000).status_code == 422
        assert metric(collector, "collector_rejections_dropped_total") >= 1500
        assert post(collector, purchase(amount=1)).status_code == 201  # events wait for none of it
        locker.rollback()
    assert eventually(lambda: metric(collector, "collector_rejections_kept_total") >= 500)
    assert (
        metric(collector, "collector_rejections_kept_total") + metric(collector, "collector_rejections_dropped_total")
        == 3000
    )


def test_they_wait_for_a_database_that_is_away(start_service, own_postgres):
    collector = start_service("collector", DATABASE_URL=own_postgres.url("events", "collector"))
    assert post(collector, {"user_id": "ann"}, dry_run="true").status_code == 422  # it knows the sources by now
    own_postgres.stop("immediate")
    assert post(collector, {"user_id": "ann"}).status_code == 422
    assert eventually(lambda: "can't keep refused events" in collector.log.read_text())
    own_postgres.start()
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
        kept(owner, 1)


def test_who_has_waited_for_an_hour_is_dropped(owner, postgres, database):
    pool = open_pool(postgres.url(database, "collector"), name="collector", size=1, timeout=30, options={})
    rejections = RejectionRecorder(pool, kept=10, days=30, most_bytes=100)
    for user_id, waited in (("ann", timedelta(minutes=61)), ("bob", timedelta(minutes=59))):
        one = NewRejection(uuid4(), "shop", datetime.now(UTC), "required", [], None, user_id, b"{}", is_whole=True)
        rejections._queue.append(PendingRejection(one, read_clock() - waited.total_seconds()))
    rejections.close()
    pool.close()
    assert [one.user_id for one in list_rejections(owner)] == ["bob"]


def test_they_are_written_when_the_collector_stops(start_collector, owner):
    collector = start_collector()
    post(collector, purchase())
    collector.stop()
    assert len(list_rejections(owner)) == 1


def test_a_replay_stores_what_the_mended_schema_takes(start_collector, owner):
    collector = start_collector()
    assert post(collector, [purchase("ann", amount="ten"), purchase("bob", amount=None)]).status_code == 422
    found = {one.user_id: one for one in kept(owner, 2)}
    set_schema(owner, "default", "purchase", LENIENT)
    assert request_replay(owner, "default", reason="schema_violation") == 2
    assert eventually(lambda: len(list_rejections(owner)) == 1)  # a moment after the other one is stored
    # The identity is the refused event's: a second replay would be the same event.
    assert stored(owner) == [("ann", found["ann"].received_at, found["ann"].id, None)]
    (again,) = kept(owner, 1)
    assert (again.id, again.detail[0]["schema_version"], again.replay_requested_at) == (found["bob"].id, 2, None)
    assert metric(collector, 'collector_rejections_replayed_total{outcome="stored"}') == 1
    assert metric(collector, 'collector_rejections_replayed_total{outcome="refused"}') == 1
    assert owner.execute("select sum(count) from event_counts").fetchone() == (1,)


def test_a_replay_keeps_the_identity_that_an_event_has(start_collector, owner):
    start_id, v7 = UUID("5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"), UUID("01932a8b-6a00-7abc-8def-0123456789ab")
    collector = start_collector()
    time_ = "2026-03-01T10:00:00+00:00"
    events = [
        {**purchase("whole"), "event_id": str(start_id), "timestamp": time_},
        {**purchase("timed"), "timestamp": time_},
        {**purchase("tells-time"), "event_id": str(v7)},
        {**purchase("untold"), "event_id": str(start_id)},
    ]
    assert post(collector, events).status_code == 422
    found = {one.user_id: one for one in kept(owner, 4)}
    set_schema(owner, "default", "purchase", {})
    request_replay(owner, "default", event_type="purchase")
    assert eventually(lambda: len(stored(owner)) == 4)
    assert {user: (at, number) for user, at, number, _ in stored(owner)} == {
        "whole": (datetime.fromisoformat(time_), start_id),
        "timed": (datetime.fromisoformat(time_), found["timed"].id),
        "tells-time": (datetime.fromtimestamp((v7.int >> 80) / 1000, UTC), v7),
        "untold": (found["untold"].received_at, start_id),
    }


def test_a_replay_gives_an_identity_also_to_what_the_decoder_refuses(start_collector, owner):
    collector = start_collector()
    half = b'{"user_id":"half","event_type":"purchase","properties":{"title":"\\ud83d"}} '
    assert post(collector, half).status_code == 422
    assert post(collector, {**purchase("null"), "timestamp": None, "event_id": None}).status_code == 422
    found = {one.user_id: one for one in kept(owner, 2)}
    set_schema(owner, "default", "purchase", {})
    request_replay(owner, "default")
    assert eventually(lambda: list_rejections(owner) == [])
    assert {user: (at, number) for user, at, number, _ in stored(owner)} == {
        user: (one.received_at, one.id) for user, one in found.items()
    }
    assert owner.execute("select properties from events where user_id = 'half'").fetchone() == ({"title": "\ufffd"},)


def test_a_replay_can_be_of_some(start_collector, owner):
    collector = start_collector()
    post(collector, [purchase("ann"), purchase("bob"), {"user_id": "cem"}])
    found = {one.user_id: one for one in kept(owner, 3)}
    assert request_replay(owner, "default", ids=[found["ann"].id, uuid4()]) == 1
    assert request_replay(owner, "default", reason="required") == 1
    assert request_replay(owner, "elsewhere") == 0
    assert eventually(lambda: metric(collector, "collector_rejections_replayed_total") == 2)
    assert len(list_rejections(owner)) == 3  # no event was stored


def test_two_collectors_replay_each_event_once(start_collector, owner):
    collectors = [start_collector(), start_collector()]
    for start in range(0, 600, 200):
        post(collectors[start // 200 % 2], [purchase(f"u{number}") for number in range(start, start + 200)])
    assert eventually(lambda: len(list_rejections(owner, limit=1000)) == 600)
    set_schema(owner, "default", "purchase", {})
    assert request_replay(owner, "default") == 600
    assert eventually(lambda: list_rejections(owner) == [])
    assert owner.execute("select count(*), count(distinct user_id) from events").fetchone() == (600, 600)
    assert owner.execute("select sum(count) from event_counts").fetchone() == (600,)
    assert sum(metric(one, 'collector_rejections_replayed_total{outcome="stored"}') for one in collectors) == 600


def test_a_collector_killed_in_a_replay_leaves_it_to_another_and_nothing_is_stored_twice(
    start_collector, owner, postgres, database
):
    victim = start_collector()
    post(victim, [purchase(f"u{number}") for number in range(300)])
    assert eventually(lambda: len(list_rejections(owner, limit=1000)) == 300)
    set_schema(owner, "default", "purchase", {})
    with psycopg.connect(postgres.url(database)) as locker:
        # It has stored its events, and waits to settle the first of its rows.
        locker.execute(
            "create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(60); return old; end'"
        )
        locker.execute("create trigger wait before delete on rejections for each row execute function wait()")
        locker.commit()
        request_replay(owner, "default")
        settling = "from pg_stat_activity where query like '%delete from rejections%' and wait_event = 'PgSleep'"
        assert eventually(lambda: owner.execute(f"select count(*) {settling}").fetchone() == (1,))
        victim.kill()
        owner.execute(f"select pg_terminate_backend(pid, 60000) {settling}")
        assert owner.execute("select count(*) from events").fetchone() == (0,)
        owner.execute("drop trigger wait on rejections")
    assert len(list_rejections(owner, limit=1000)) == 300
    start_collector()
    assert eventually(lambda: list_rejections(owner) == [])
    assert owner.execute("select count(*), count(distinct user_id) from events").fetchone() == (300, 300)
    assert owner.execute("select sum(count) from event_counts").fetchone() == (300,)


def test_an_event_of_a_replay_that_the_database_refuses_costs_no_other(start_collector, owner):
    post(start_collector(), [purchase(f"u{number}") for number in range(10)])
    kept(owner, 10)
    owner.execute("alter table events add constraint no_u7 check (user_id <> 'u7')")
    set_schema(owner, "default", "purchase", {})
    assert request_replay(owner, "default") == 10
    assert eventually(lambda: len(list_rejections(owner)) == 1)
    assert [(one.user_id, one.reason) for one in list_rejections(owner)] == [("u7", "not_storable")]
    assert owner.execute("select count(*) from events").fetchone() == (9,)
    assert owner.execute("select sum(count) from event_counts").fetchone() == (9,)


def test_a_replay_waits_for_a_database_that_is_away(start_service, own_postgres):
    collector = start_service("collector", DATABASE_URL=own_postgres.url("events", "collector"))
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
        payload = json.dumps({"user_id": "ann", "event_type": "view"}).encode()
        owner.execute(
            "insert into rejections values (%s, 'default', now(), 'required', '[]', 'view', 'ann', %s, true, now())",
            [uuid4(), payload],
        )
        own_postgres.stop("immediate")
    own_postgres.start()
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
        assert eventually(lambda: owner.execute("select count(*) from events").fetchone() == (1,))
        assert eventually(lambda: list_rejections(owner) == [])
    assert collector.process.poll() is None


def test_a_replay_in_mode_warn_flags(start_collector, owner):
    collector = start_collector()
    post(collector, purchase())
    kept(owner, 1)
    owner.execute("update sources set schema_mode = 'warn' where name = 'default'")
    request_replay(owner, "default")
    assert eventually(lambda: len(stored(owner)) == 1)
    assert stored(owner)[0][3]["schema_version"] == 1


def test_content_of_refused_events_never_stands_in_the_log(start_collector, owner):
    collector = start_collector(LOG_LEVEL="debug")
    post(collector, purchase("secret-ann", amount="secret-ten"))
    kept(owner, 1)
    request_replay(owner, "default")
    assert eventually(lambda: metric(collector, "collector_rejections_replayed_total") == 1)
    collector.stop()
    assert "secret" not in collector.log.read_text()
