"""A query service that is shared by a module; each test starts with empty tables."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key

INSERT = """
    insert into events (user_id, "timestamp", event_id, event_type, session_id, source, properties)
    values (%(user_id)s, %(timestamp)s, %(event_id)s, %(event_type)s, %(session_id)s, %(source)s, %(properties)s)
"""
COUNT = """
    insert into event_counts as counts (hour, event_type, source, slot, count) values (%s, %s, %s, %s, %s)
    on conflict (hour, event_type, source, slot) do update set count = counts.count + excluded.count
"""
SEEN = """
    insert into users as known (user_id, first_seen, last_hour) values (%s, %s, %s)
    on conflict (user_id) do update
    set first_seen = least(known.first_seen, excluded.first_seen), last_hour = greatest(known.last_hour, excluded.last_hour)
"""
T0 = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def shared_query(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("query", DATABASE_URL=postgres.url(shared_database, "query"))


@pytest.fixture(scope="module")
def start_guarded(postgres, shared_database, tmp_path_factory, launcher):
    """start_guarded(SETTING=...): a query service on the shared database that requires credentials."""
    given = {
        "DATABASE_URL": postgres.url(shared_database, "query"),
        "CONTROL_DATABASE_URL": postgres.url(shared_database, "control"),
        "SIGNING_KEY": make_signing_key(),
        "AUTH": "required",
        "LOG_LEVEL": "debug",
    }
    with launcher(tmp_path_factory.mktemp("guarded")) as start:
        yield lambda **settings: start("query", **{**given, **settings})


@pytest.fixture(scope="module")
def guarded(start_guarded):
    """A service that requires credentials, with default settings."""
    return start_guarded()


@pytest.fixture
def who_sees(guarded, shared_owner) -> Callable[..., requests.Session]:
    """who_sees("shop", "blog") is a program that may read everything of these sources; who_sees() of all."""

    def who_sees(*sources: str) -> requests.Session:
        key = make_key("rt")
        shared_owner.execute(
            "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, 'x', %s, %s, %s)",
            [key.prefix, key.hash, ["read_stats", "read_events", "export"], list(sources) or None],
        )
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {key.key}"
        return session

    return who_sees


@pytest.fixture
def get(shared_query, shared_owner) -> Callable[..., requests.Response]:
    """get("/events", user_id="ann", **{"property.plan": "pro"}) on empty tables; a parameter may have a list of values."""

    def get(path: str, query: str = "", **parameters: Any) -> requests.Response:
        named = {"from" if name == "from_" else name: value for name, value in parameters.items()}
        return requests.get(f"{shared_query.url}{path}{query}", params=named, timeout=30)

    return get


def an_event(**given: Any) -> dict[str, Any]:
    """A row of `events`. Missing values get defaults."""
    defaults = {
        "user_id": "ann",
        "event_type": "view",
        "timestamp": T0,
        "event_id": uuid.uuid4(),
        "session_id": None,
        "source": "default",
        "properties": {},
    }
    assert given.keys() <= defaults.keys()
    return {**defaults, **given}


def hour_of(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def store(shared_owner) -> Callable[..., Rows]:
    """store(events, slots=[...]): puts rows into `events`, and what the collector counts of them, the slots spread over."""

    def store(events: Iterable[dict[str, Any]], slots: Iterable[int] = (0,)) -> Rows:
        rows = [an_event(**event) for event in events]
        slots = list(slots)
        counts: Counter[tuple[Any, ...]] = Counter()
        for number, row in enumerate(rows):
            counts[hour_of(row["timestamp"]), row["event_type"], row["source"], slots[number % len(slots)]] += 1
        with shared_owner.cursor() as cursor, shared_owner.transaction():
            cursor.executemany(INSERT, [{**row, "properties": json.dumps(row["properties"])} for row in rows])
            cursor.executemany(COUNT, [(*key, count) for key, count in counts.items()])
            cursor.executemany(SEEN, [(row["user_id"], row["timestamp"], hour_of(row["timestamp"])) for row in rows])
        return rows

    return store


@pytest.fixture
def minutes() -> Callable[[float], datetime]:
    """Minutes after 10 o'clock, UTC."""
    return lambda number: T0 + timedelta(minutes=number)
