"""A relay reads every stored event by the order of receipt, also those of transactions that end late; on a real PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import psycopg
import pytest
from servers import Postgres
from storers import make_row
from waiting import wait_until

from event_tracker.core.postgres.pool import open_pool
from event_tracker.model.relaying.relay import Relay
from event_tracker.model.relaying.stored_event import StoredEvent
from event_tracker.model.storing.store_events import EventStore

pytestmark = pytest.mark.services

STORE = EventStore(lambda _: None)


@pytest.fixture
def open_relay(postgres: Postgres, database: str) -> Iterator[Callable[..., Relay]]:
    """A function that opens a relay in a session of its own."""
    with ExitStack() as stack:

        def opened(name: str = "test", **options: object) -> Relay:
            pool = stack.enter_context(
                open_pool(postgres.url(database, "relay"), name="relay", size=1, timeout=30, options={}, watched=False)
            )
            given = {
                "destination": "here",
                "from_earliest": True,
                "wants_erasures": True,
                "max_events": 100,
                "max_bytes": 2**20,
                **options,
            }
            relay = Relay(pool, name, **given)
            relay.close = pool.close
            return relay

        yield opened


@pytest.fixture
def connect(postgres: Postgres, database: str) -> Iterator[Callable[..., psycopg.Connection]]:
    """A function that opens a connection that isn't autocommit."""
    with ExitStack() as stack:
        yield lambda role="collector": stack.enter_context(psycopg.connect(postgres.url(database, role)))


def store(connection: psycopg.Connection, *numbers: int, **fields: object) -> None:
    """Store events by the collector's statement, in the connection's transaction."""
    connection.execute("select")  # begins it: `store_on` would end the one that it begins
    outcomes = STORE.store_on(connection, [make_row(number, **fields) for number in numbers])
    assert set(outcomes) == {"stored"}


def read_all(relay: Relay) -> list[StoredEvent]:
    """Read and save until nothing is left up to the mark of the first read of the end."""
    assert relay.take_turn()
    events = []
    while True:
        batch = relay.read()
        relay.save(batch)
        events += batch.events
        if batch.is_last:
            return events


def read_until(relay: Relay, number: int) -> list[StoredEvent]:
    """Read until so many events have come."""
    events: list[StoredEvent] = []

    def is_done() -> bool:
        events.extend(read_all(relay))
        return len(events) >= number

    wait_until(is_done, f"{number} events")
    return events


def numbers(events: list[StoredEvent]) -> list[int]:
    return [int(bytes(event.row.properties).split(b":")[1].strip(b" }")) for event in events]


def test_what_is_stored_is_read_whole_in_the_order_of_receipt(open_relay, connect):
    writer = connect()
    writer.autocommit = True
    store(writer, *range(250))
    store(writer, 250, session_id="s", source="shop", properties=b'{"number": 250}')
    events = read_until(open_relay(), 251)
    assert sorted(numbers(events)) == list(range(251))
    times = [event.received_at for event in events]
    assert times == sorted(times)
    (last,) = [event.row for event in events if event.row.session_id]
    assert last == make_row(250, session_id="s", source="shop", properties=b'{"number": 250}')


def test_a_transaction_that_ends_late_is_waited_for(open_relay, connect):
    early, late = connect(), connect()
    relay = open_relay()
    read_all(relay)
    store(late, 1)
    store(early, 2)
    early.commit()
    wait_for_holder(relay, late)
    assert relay.mark.holder_role == "postgres"
    assert relay.mark.holder_since < relay.mark.latest
    late.commit()
    assert numbers(read_until(relay, 2)) == [1, 2]


def wait_for_holder(relay: Relay, holder: psycopg.Connection) -> None:
    """Wait until a transaction holds the mark. Nothing is read until then."""

    def is_held() -> bool:
        assert read_all(relay) == []
        return relay.mark.holder_pid == holder.info.backend_pid

    wait_until(is_held, "the mark is held")


def test_a_transaction_that_stores_only_later_is_waited_for(open_relay, connect, owner):
    """It has no lock yet, and `received_at` of other writers may be when it began."""
    relay = open_relay()
    read_all(relay)
    late = connect("postgres")
    late.execute("select")
    wait_for_holder(relay, late)
    late.execute(
        "insert into events (user_id, timestamp, event_id, event_type, received_at, properties)"
        """ values ('u', now(), gen_random_uuid(), 'x', now(), '{"number": 1}')"""
    )
    late.commit()
    assert numbers(read_until(relay, 1)) == [1]


def test_a_reader_holds_the_mark_for_a_minute_at_most(open_relay, connect, owner):
    """The minute is made shorter here."""
    relay, reader = open_relay(), connect("postgres")
    reader.execute("select count(*) from events")
    wait_for_holder(relay, reader)
    owner.execute(read_function(owner))
    read_all(relay)
    assert relay.mark.holder_pid is None
    store(reader, 1)
    wait_for_holder(relay, reader)
    reader.commit()
    assert numbers(read_until(relay, 1)) == [1]


def read_function(owner: psycopg.Connection) -> str:
    """How relay_mark is made, but that a transaction counts as old after no time at all."""
    ((text,),) = owner.execute("select pg_get_functiondef('relay_mark'::regproc)").fetchall()
    assert text.count("interval '1 minute'") == 1
    return text.replace("interval '1 minute'", "interval '0 seconds'")


@pytest.mark.parametrize("role", ["query", "grafana"])
def test_roles_that_only_read_never_hold_the_mark(open_relay, postgres, owner, database, role):
    """They sign in as themselves: the role of a session isn't who pg_stat_activity names."""
    url = postgres.url(database).replace("postgres@", f"{role}@")
    relay = open_relay()
    with psycopg.connect(url) as reader, psycopg.connect(postgres.url(database)) as other:
        reader.execute("select")
        other.execute("select")
        wait_for_holder(relay, other)
        other.rollback()
        wait_until(lambda: read_all(relay) == [] and relay.mark.holder_pid is None, "nobody holds the mark")


def test_a_prepared_transaction_is_waited_for(own_postgres, tmp_path):
    """When it began isn't known any more, so nothing is read until it ends."""
    own_postgres.stop()
    with (own_postgres.server.pgdata / "postgresql.conf").open("a") as conf:
        conf.write("max_prepared_transactions = 2\n")
    own_postgres.start()
    pool = open_pool(own_postgres.url("events", "relay"), name="relay", size=1, timeout=30, options={}, watched=False)
    writing = psycopg.connect(own_postgres.url("events"))
    with pool, writing:
        relay = Relay(
            pool, "test", destination="here", from_earliest=True, wants_erasures=False, max_events=9, max_bytes=9999
        )
        read_all(relay)
        store(writing, 1)
        writing.execute("prepare transaction 'one'")
        writing.autocommit = True
        store(writing, 2)
        wait_until(lambda: read_all(relay) == [] and relay.mark.mark is None, "it is seen")
        assert relay.mark.holder_role == "a prepared transaction"
        writing.execute("commit prepared 'one'")
        assert numbers(read_until(relay, 2)) == [1, 2]


def test_writers_whose_transactions_overlap_lose_nothing(open_relay, connect, owner):
    """Each keeps its transaction open for another while, so that they end in another order than they began."""
    relay, stopping, failed = open_relay(max_events=50), threading.Event(), []
    next_number = count()

    def write(connection: psycopg.Connection, pause: float) -> None:
        try:
            while not stopping.is_set():
                store(connection, *(next(next_number) for _ in range(20)))
                stopping.wait(pause)
                connection.commit()
        except Exception as error:  # which would only end the thread
            failed.append(error)

    pauses = [0, 0.01, 0.3, 1.5, 2.5]
    threads = [threading.Thread(target=write, args=(connect(), pause)) for pause in pauses]
    for thread in threads:
        thread.start()
    events = read_until(relay, 1000)
    stopping.set()
    for thread in threads:
        thread.join()
    assert failed == []
    ((stored,),) = owner.execute("select count(*) from events").fetchall()
    events += read_until(relay, stored - len(events))
    assert len(events) == stored
    assert len(set(numbers(events))) == stored
    times = [event.received_at for event in events]
    assert times == sorted(times)


def test_a_restart_goes_on_where_the_one_before_saved(open_relay, connect):
    writer = connect()
    writer.autocommit = True
    store(writer, *range(300))
    first = open_relay()
    done = read_until(first, 300)
    store(writer, 300, 301)
    wait_until(lambda: first.read().events != [], "the next are read, and not saved")
    first.close()
    second = open_relay(from_earliest=False)
    wait_until(second.take_turn)
    again = read_until(second, 2)
    assert [number for number in numbers(again) if number >= 300] == [300, 301]
    assert len(again) + len(done) <= 303


def test_a_relay_may_begin_with_what_comes(open_relay, connect, owner):
    writer = connect()
    writer.autocommit = True
    store(writer, 1)
    passed = "select max(received_at) < (select mark from relay_mark()) from events"
    wait_until(lambda: owner.execute(passed).fetchone() == (True,), "the mark passes it")
    relay = open_relay(from_earliest=False)
    read_all(relay)
    store(writer, 2)
    assert numbers(read_until(relay, 1)) == [2]


def test_one_process_at_a_time_has_a_relay(open_relay):
    first, second, other = open_relay(), open_relay(), open_relay("other")
    assert first.take_turn()
    assert not second.take_turn()
    assert other.take_turn()
    first.close()
    wait_until(second.take_turn)


def test_one_large_event_is_a_batch_of_its_own(open_relay, connect):
    writer = connect()
    writer.autocommit = True
    for number in range(3):
        store(writer, number, properties=b'{"number": %d, "text": "%s"}' % (number, b"x" * 1000))
    relay = open_relay(max_bytes=500)
    assert relay.take_turn()
    sizes = []

    def read() -> int:
        batch = relay.read()
        relay.save(batch)
        sizes.append(len(batch.events))
        return sum(sizes) == 3

    wait_until(read)
    assert max(sizes) == 1


def test_a_clock_that_went_back_loses_nothing(open_relay, connect, owner):
    """The position is of a time that has yet to come."""
    owner.execute("insert into relays values ('late', now() + interval '1 hour', false)")
    late = open_relay("late")
    read_all(late)
    writer = connect()
    writer.autocommit = True
    store(writer, 1)
    assert numbers(read_until(late, 1)) == [1]


def test_an_owner_who_sees_nothing_is_told_so(open_relay, owner):
    """Nothing is read where it isn't known when others' transactions began."""
    owner.execute("create role sees_nothing")
    try:
        owner.execute("alter function relay_mark() owner to sees_nothing")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"sees_nothing, .* pg_read_all_stats"):
            open_relay().take_turn()
    finally:
        owner.execute("alter function relay_mark() owner to postgres")
        owner.execute("drop role sees_nothing")
