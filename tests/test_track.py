"""track() in SQL stores what a collector stores for the same events, under the same rules, in the caller's transaction."""

import dataclasses
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import requests
from tracking import application_role, track

from event_tracker.collector.settings import CollectorSettings
from event_tracker.core.postgres.named_sql import load_queries

ROOT = Path(__file__).parent.parent
MIGRATION = (ROOT / "infra/migrations/0035-track.sql").read_text()
NOW = datetime.now(UTC).replace(microsecond=123_456)


def at(**ago):
    return (NOW - timedelta(**ago)).isoformat()


def event(user_id="ann", event_type="view", **more):
    return {
        "user_id": user_id,
        "event_type": event_type,
        "timestamp": at(hours=1),
        "event_id": str(uuid.uuid4()),
        **more,
    }


def nested(levels):
    return {"a": nested(levels - 1)} if levels > 1 else {}


V7 = "019abcde-0123-7abc-8def-0123456789ab"
ONCE = event(properties={"n": 1})

VALID = [
    ONCE,
    ONCE | {"properties": {"n": 2}},  # the first stays
    event(user_id="é" * 200, event_type="€" * 100, session_id="s" * 200),
    event(properties=nested(32)),
    event(properties={"list": [[[]]] * 40, "text": "}]{[" * 20}),
    event(properties={"large": 10**4299, "small": -1.5}),
    event(properties=None),
    {"user_id": "ann", "event_type": "view", "event_id": V7},
    event(timestamp="2000-01-01T00:00:00Z"),
    event(timestamp=at(hours=-23)),
    event(timestamp=at(days=3)),
    event(user_id="bob", timestamp=at(days=40), event_type="$autocapture", properties={"$lib": "web"}),
    event("ann", "identify", properties={"anonymous_id": "anon-1"}, timestamp=at(hours=5)),
    event("ann", "identify", properties={"anonymous_id": "anon-1"}, timestamp=at(hours=6)),
    event("ann", "alias", properties={"previous_id": "anon-2"}),
    event("ann", "alias", properties={"previous_id": "undefined"}),
    event("ann", "identify", properties={"anonymous_id": 12}),
]

REFUSED = [
    (event(user_id=""), "length"),
    (event(user_id="u" * 201), "length"),
    (event(event_type=""), "length"),
    (event(event_type="t" * 101), "length"),
    (event(session_id=""), "length"),
    (event(session_id="s" * 201), "length"),
    ({key: value for key, value in event().items() if key != "user_id"}, "required"),
    (event(properties=[]), "wrong_type"),
    (event(properties=nested(33)), "too_deep"),
    (event(properties={"list": [[[]]] * 40, "deep": nested(32)}), "too_deep"),
    (event(properties={"text": "x" * 65_536}), "event_too_large"),
    (event(timestamp="1999-12-31T23:59:59Z"), "timestamp_too_old"),
    (event(timestamp=at(hours=-25)), "timestamp_in_future"),
    (event(timestamp=None), "timestamp_required"),
    (event(timestamp=None, event_id="019abcde-0123-7abc-0def-0123456789ab"), "timestamp_required"),
    (event(timestamp=None, event_id="00000000-0123-7abc-8def-0123456789ab"), "timestamp_too_old"),
    (event(timestamp=None, event_id="ffffffff-ffff-7abc-8def-0123456789ab"), "timestamp_out_of_range"),
]
SAME_BOUND = {"timestamp_out_of_range": "timestamp_in_future"}
"""PostgreSQL has later years than Python: there, another bound is the first that they are beyond."""

STORED = {
    "events": 'select user_id, "timestamp", event_id, event_type, session_id, source, properties, violations from events order by 1, 2, 3',
    "counts": "select hour, event_type, source, sum(count) from event_counts group by 1, 2, 3 order by 1, 2, 3",
    "users": "select * from users order by user_id",
    "links": "select source, alias, person, at, event_id, removed_at from links order by 1, 2, 3",
    "epochs": "select (select count(*) from block_epochs), (select epoch from link_epochs), (select epoch from user_epochs)",
    "staged": "select count(*) from event_tracker.staged",
}


def stored(owner):
    return {name: owner.execute(statement).fetchall() for name, statement in STORED.items()}


def number_of_events(owner):
    ((number,),) = owner.execute("select count(*) from events").fetchall()
    return number


@pytest.fixture(scope="module")
def role(postgres):
    with application_role(postgres) as name:
        yield name


@pytest.fixture
def app(postgres, shared_database, role):
    """A connection of an application, autocommit."""
    with psycopg.connect(postgres.url(shared_database), user=role, autocommit=True) as connection:
        yield connection


@pytest.fixture
def other_app(postgres, shared_database, role):
    with psycopg.connect(postgres.url(shared_database), user=role, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def refusals(postgres, launcher, tmp_path_factory):
    """What a collector answers for the events of REFUSED."""
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        collector = start("collector", DATABASE_URL=postgres.url("template_events", "collector"), REJECTIONS_KEPT=0)
        return [
            requests.post(f"{collector.url}/events", json=[one], timeout=30).json()["errors"][0]["code"]
            for one, _ in REFUSED
        ]


@pytest.mark.parametrize("together", [False, True], ids=["each in a transaction", "one transaction"])
def test_what_is_stored_is_what_a_collector_stores(collector, owner, app, shared_owner, together):
    assert requests.post(f"{collector.url}/events", json=VALID, timeout=30).json()["stored"] == len(VALID) - 1
    if together:
        with app.transaction():
            for one in VALID:
                track(app, one)
    else:
        for one in VALID:
            track(app, one)
    assert stored(shared_owner) == stored(owner)
    assert len(stored(owner)["links"]) == 3


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[code for _, code in REFUSED])
def test_what_is_refused_is_what_a_collector_refuses(refusals, app, shared_owner, number):
    one, code = REFUSED[number]
    assert refusals[number] == code
    with pytest.raises(psycopg.Error) as refused:
        track(app, one)
    assert (refused.value.sqlstate, refused.value.diag.message_detail) == ("22023", SAME_BOUND.get(code, code))
    assert refused.value.diag.column_name in one.keys() | {"user_id"}
    assert number_of_events(shared_owner) == 0


def test_other_refusals_name_the_reason(app, shared_owner):
    shared_owner.execute(
        "insert into sources (name, enabled, schema_mode) values ('off', false, 'off'), ('shop', true, 'enforce')"
    )
    shared_owner.execute(
        "insert into event_schemas (source, event_type, version, schema) values ('shop', 'order', 1, '{}')"
    )
    for one, source, sqlstate in [
        (event(), "unknown", "42704"),
        (event(), "off", "55000"),
        (event(event_type="order"), "shop", "0A000"),
        (event(timestamp="infinity"), "default", "22023"),
        (event(timestamp="-infinity"), "default", "22023"),
        (event(properties='{"n": [-%s.5]}' % ("1" * 4301)), "default", "22023"),
    ]:
        with pytest.raises(psycopg.Error) as refused:
            track(app, one | {"properties": None} if sqlstate != "22023" else one, source)
        assert refused.value.sqlstate == sqlstate
    track(app, event(event_type="no schema"), "shop")
    shared_owner.execute("update sources set schema_mode = 'warn'")
    track(app, event(event_type="order"), "shop")
    assert number_of_events(shared_owner) == 2


def test_the_defaults_are_the_collectors(shared_owner):
    fields = {field.name: field.default for field in dataclasses.fields(CollectorSettings)}
    ((size, earliest),) = shared_owner.execute("select max_event_bytes, earliest_timestamp from event_tracker.limits")
    assert (size, earliest) == (fields["max_event_bytes"], fields["earliest_timestamp"])


def test_limits_can_be_changed(app, shared_owner):
    shared_owner.execute("update event_tracker.limits set max_event_bytes = 300, earliest_timestamp = '1900-01-01'")
    try:
        track(app, event(timestamp="1950-01-01T00:00:00Z"))
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="300 bytes"):
            track(app, event(properties={"text": "x" * 100}))
    finally:
        shared_owner.execute("update event_tracker.limits set max_event_bytes = default, earliest_timestamp = default")


def squeezed(sql):
    return " ".join(re.sub("--.*", "", sql).split())


@pytest.mark.parametrize("name", ["expired", "counted", "seen", "identities", "linked"])
def test_the_statement_is_the_collectors(name):
    """Parts of `store_events`, from their names to the next one. Where events come from, and the slot, differ."""
    queries = load_queries("event_tracker.model.storing", "store_events.sql")
    text = squeezed(queries["store_events"] + queries["store_events.linking"] + ")")
    part = re.search(rf"\b{name} as (?:materialized )?\((.+?) \)(?:,|\)|{{)", text)[1]
    part = part.replace("%(slot)b::smallint", "(1 + pg_backend_pid() % 32767)::smallint")
    part = re.sub(r"from unnest\(%\(timestamps.*? as given \(.*?\)", "from given", part)
    assert len(part) > 200
    assert part in squeezed(MIGRATION)


def test_the_rules_of_the_outbox_are_the_same():
    outbox = (ROOT / "apps/cli/src/event_tracker/cli/outbox/outbox.sql").read_text()
    rules = re.search(r"function event_tracker\.check_event .+?\n\$\$;", MIGRATION, re.DOTALL)[0]
    assert rules in outbox
    assert re.search(r"event_tracker\.track \(.+?\) returns", MIGRATION, re.DOTALL)[0] in outbox


def test_a_rollback_leaves_nothing(app, shared_owner):
    with app.transaction(force_rollback=True):
        track(app, event())
        track(app, event("ann", "identify", properties={"anonymous_id": "anon"}))
    assert [len(rows) for rows in stored(shared_owner).values()] == [0, 0, 0, 0, 1, 1]
    assert stored(shared_owner)["staged"] == [(0,)]


def test_a_failure_after_it_leaves_nothing(app, shared_owner):
    app.execute("begin")
    track(app, event())
    with pytest.raises(psycopg.errors.DivisionByZero):
        app.execute("select 1 / 0")
    app.execute("commit")
    assert number_of_events(shared_owner) == 0


@pytest.mark.parametrize("first", [True, False], ids=["first", "second"])
def test_a_savepoint_takes_back_what_came_after_it(app, shared_owner, first):
    with app.transaction():
        if not first:
            track(app, event("before"))
        with app.transaction(force_rollback=True):
            track(app, event("within"))
            track(app, event("within"))
        track(app, event("after"))
        with app.transaction():
            track(app, event("released"))
    users = [user for (user,) in shared_owner.execute("select user_id from users order by 1").fetchall()]
    assert users == sorted(["after", "released", *([] if first else ["before"])])


def test_nothing_is_seen_before_the_commit(app, shared_owner):
    with app.transaction():
        track(app, event())
        assert number_of_events(shared_owner) == 0
    assert number_of_events(shared_owner) == 1


def test_a_resend_is_a_duplicate(app, other_app, shared_owner):
    one = event()
    assert track(app, one) == track(other_app, one) == uuid.UUID(one["event_id"])
    with app.transaction():
        track(app, one)
        track(app, one)
        track(app, event())
    assert number_of_events(shared_owner) == 2
    assert shared_owner.execute("select sum(count) from event_counts").fetchall() == [(2,)]


def test_an_id_and_a_time_are_made(app, shared_owner):
    before = datetime.now(UTC)
    made = app.execute("select event_tracker.track('ann', 'order_paid', '{\"total\": 12}')").fetchone()[0]
    ((event_id, timestamp, received_at),) = shared_owner.execute(
        'select event_id, "timestamp", received_at from events'
    )
    assert made == event_id
    assert made.version == 7
    assert before <= timestamp <= received_at <= datetime.now(UTC)


def test_events_arrive_when_they_are_committed_in_their_order(app, shared_owner):
    with app.transaction():
        for number in range(5):
            track(app, event(f"user {9 - number}"))
        ((before,),) = shared_owner.execute("select clock_timestamp()")
    rows = shared_owner.execute("select user_id, received_at from events order by received_at").fetchall()
    assert [user for user, _ in rows] == [f"user {9 - number}" for number in range(5)]
    assert before < rows[0][1]


@pytest.mark.parametrize("more", [0, 1], ids=["one event", "two events"])
def test_an_event_past_retention_is_not_stored(app, shared_owner, more):
    shared_owner.execute("insert into sources (name, keep) values ('kept', 1000), ('named', null)")
    shared_owner.execute("insert into retention_marks values ('named', %s), ('', %s)", [at(days=5), at(days=9)])
    try:
        for source, days in [("named", 6), ("named", 4), ("default", 10), ("default", 6), ("kept", 10)]:
            with app.transaction():
                for _ in range(1 + more):
                    track(app, event(source, timestamp=at(days=days)), source)
        found = shared_owner.execute(
            'select source, count(*), min("timestamp") from events group by 1 order by 1'
        ).fetchall()
        assert [(source, number, (NOW - time).days) for source, number, time in found] == [
            ("default", 1 + more, 6),
            ("kept", 1 + more, 10),
            ("named", 1 + more, 4),
        ]
    finally:
        shared_owner.execute("delete from retention_marks")


@pytest.mark.parametrize(
    "statement",
    [
        "select * from events",
        "select count(*) from event_counts",
        "select * from event_tracker.staged",
        "select * from event_tracker.limits",
        "insert into users values ('ann', now(), date_bin('1 hour', now(), '2000-01-01'))",
        "update event_tracker.limits set max_event_bytes = 1",
        "select event_tracker.check_event('a', 'b', '{}', null, null, null, 1, now())",
        "create table event_tracker.mine ()",
        "create temp table sources as select * from sources",
        "set role collector",
    ],
)
def test_the_role_may_do_nothing_else(app, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)


def test_a_role_without_it_may_not_track(postgres, shared_database):
    with (
        psycopg.connect(postgres.url(shared_database, "query"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        track(connection, event())


def test_tables_of_the_session_are_not_used(app, shared_owner):
    for table in ("sources", "events", "users", "staged"):
        app.execute(f"create temp table {table} (name text)")
    track(app, event())
    assert number_of_events(shared_owner) == 1


def test_constraints_that_are_checked_at_once_change_nothing(app, shared_owner):
    """Some frameworks do so in tests."""
    with app.transaction():
        track(app, event())
        app.execute("set constraints all immediate")
        track(app, event())
        app.execute("set constraints all deferred")
        track(app, event())
        track(app, event())
    assert number_of_events(shared_owner) == 4
    assert shared_owner.execute("select sum(count) from event_counts").fetchall() == [(4,)]
