"""Tombstones are behind the events that were erased, and before those that came later; also if a session is lost. On a real PostgreSQL."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import psycopg
import pytest
from servers import Postgres
from storers import make_row
from waiting import wait_until

from event_tracker.core.postgres.pool import open_pool
from event_tracker.model.relaying.relay import Relay
from event_tracker.model.storing.store_events import EventStore
from event_tracker.streams.publisher.publisher import Publisher
from event_tracker.streams.publisher.record_writer import TopicRecord

pytestmark = pytest.mark.services


class Topic:
    """Takes records. The first ones that are written are in it when `meanwhile` has been called."""

    def __init__(self) -> None:
        self.records: list[TopicRecord] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def write(self, records: Iterable[TopicRecord]) -> bool:
        written = list(records)
        if written:
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()
        self.records += written
        return True


class Process(NamedTuple):
    """A publisher, and what it works with."""

    publisher: Publisher
    relay: Relay
    lose_session: Callable[[], object]
    topic: Topic

    def work(self) -> float:
        return self.publisher._work()


@pytest.fixture
def start(postgres: Postgres, database: str, owner: psycopg.Connection) -> Iterator[Callable[..., Process]]:
    """A function that starts a publisher to a topic."""
    url = postgres.url(database, "relay")
    with ExitStack() as stack:

        def start(topic: Topic) -> Process:
            pool = stack.enter_context(open_pool(url, name="relay", size=1, timeout=30, options={}, watched=False))
            options = {
                "destination": "here",
                "from_earliest": True,
                "wants_erasures": True,
                "max_events": 100,
                "max_bytes": 2**20,
            }
            relay = Relay(pool, "test", **options)

            def lose_session() -> None:
                with pool.connection() as connection:
                    pid = connection.info.backend_pid
                owner.execute("select pg_terminate_backend(%s, 10000)", [pid])
                pool.check()

            writer = Topic()
            writer.records = topic.records
            publisher = Publisher(relay, writer, "all", {}, lambda _: True, lambda: None)
            return Process(publisher, relay, lose_session, writer)

        yield start


@pytest.fixture
def store(postgres: Postgres, database: str, owner: psycopg.Connection) -> Callable[[int], None]:
    """A function that stores an event of ann, which may be published when it returns."""

    def store(number: int) -> None:
        with psycopg.connect(postgres.url(database, "collector"), autocommit=True) as connection:
            EventStore(lambda _: None).store_on(connection, [make_row(number, user_id="ann")])
        passed = "select max(received_at) < (select mark from relay_mark()) from events"
        wait_until(lambda: owner.execute(passed).fetchone() == (True,), "the mark passes it")

    return store


def erase(owner: psycopg.Connection, *user_ids: str) -> None:
    with owner.transaction():
        owner.execute("delete from events")
        for user_id in user_ids:
            owner.execute("insert into relay_erasures (relay, user_id) values ('test', %s)", [user_id])


def shown(topic: Topic) -> list[str]:
    """Of each record, whether it has an event or is a tombstone."""
    return ["tombstone" if record.value is None else "event" for record in topic.records]


def test_who_comes_back_while_it_is_down_has_new_events_behind_the_tombstone(start, store, owner):
    topic = Topic()
    down = start(topic)
    down.work()
    down.lose_session()
    erase(owner, *(f"user-{number}" for number in range(1000)), "ann")
    store(1)
    start(topic).work()
    assert shown(topic) == ["tombstone"] * 1001 + ["event"]


def test_an_erasure_after_its_mark_is_told_before_events_that_are_newer(start, store, owner):
    """Ann is erased and comes back while the erasures before are written."""
    topic = Topic()
    process = start(topic)
    process.work()
    erase(owner, "bob")

    def come_back() -> None:
        erase(owner, "ann")
        store(1)

    process.topic.meanwhile = come_back
    process.work()
    process.work()
    assert shown(topic) == ["tombstone", "tombstone", "event"]


def test_who_lost_its_session_tells_no_erasures(start, store, owner):
    """A loses its session while it writes; B has the turn and is writing ann's event when she is erased and A goes on."""
    topic = Topic()
    a, b = start(topic), start(topic)
    store(1)

    def lose_turn() -> None:
        a.lose_session()
        b.topic.meanwhile = lambda: erase(owner, "ann")
        b.work()

    a.topic.meanwhile = lose_turn
    with pytest.raises(psycopg.OperationalError, match="turn was lost"):
        a.work()
    a.work()
    assert "tombstone" not in shown(topic)
    b.work()
    assert shown(topic) == ["event", "event", "tombstone"]
    assert owner.execute("select from relay_erasures").fetchall() == []


def test_nothing_is_read_or_deleted_without_the_turn(start, store, owner):
    process = start(Topic())
    process.work()
    erase(owner, "ann")
    store(1)
    relay = process.relay
    assert relay.has_turn()
    mark, erased = relay.read_mark(), relay.read_erasures(10)
    batch = relay.read(mark)
    process.lose_session()
    assert not relay.has_turn()
    for use in (
        lambda: relay.read(mark),
        lambda: relay.save(batch),
        lambda: relay.read_erasures(10),
        lambda: relay.delete_erasures(erased),
    ):
        with pytest.raises(psycopg.OperationalError, match="turn was lost"):
            use()
    assert owner.execute("select user_id from relay_erasures").fetchall() == [("ann",)]
    assert relay.take_turn()
    assert len(relay.read().events) == 1


def test_who_waited_for_its_turn_waits_until_the_one_before_has_stopped(start, store):
    waits = []
    a, b = start(Topic()), start(Topic())
    b.publisher._wait = lambda seconds: waits.append(seconds) or True
    a.work()
    b.work()
    a.lose_session()
    b.work()
    b.work()
    assert len(waits) == 1


def test_a_relay_that_is_removed_while_it_runs_is_registered_again(start, store, owner):
    topic = Topic()
    process = start(topic)
    store(1)
    process.work()
    owner.execute("delete from relays")
    store(2)
    process.work()
    process.work()
    assert owner.execute("select name, erasures from relays").fetchall() == [("test", True)]
    assert shown(topic) == ["event"] * 4
