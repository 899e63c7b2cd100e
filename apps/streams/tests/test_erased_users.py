"""Records of users who were erased after they were written aren't stored, with a real PostgreSQL and brokers that are played."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import Message
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from waiting import wait_until

from event_tracker.core.kafka.topic import KafkaUnreachableError
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import open_pool
from event_tracker.model.storing.keep_rejections import NewRejection
from event_tracker.model.storing.record import make_record
from event_tracker.model.storing.rejection_record import make_rejection_record
from event_tracker.model.storing.row import Row
from event_tracker.model.storing.topic_erasures import TopicErasures, read_known_from
from event_tracker.streams.storer import erased_users
from event_tracker.streams.storer.batch_store import BatchStore
from event_tracker.streams.storer.erased_users import ErasedUsers

ERASURE = load_queries("event_tracker.query.users", "copies.sql")
AT = datetime(2026, 3, 1, 10, tzinfo=UTC)


class Brokers:
    """What brokers say of topics: of each its id, and where its partitions end."""

    def __init__(self):
        self.topics = {"events": ("one", [0, 0]), "refused": ("two", [0])}
        self.keep = timedelta(days=14)
        self.are_away = False

    def read_ends(self, topic):
        if self.are_away:
            raise KafkaUnreachableError("away", "No broker answers.")
        return self.topics[topic]

    def write(self, user_id, partition=0, source="shop", topic="events"):
        """Write a record behind the last one."""
        topic_id, ends = self.topics[topic]
        offset = ends[partition]
        self.topics[topic] = topic_id, [end + (number == partition) for number, end in enumerate(ends)]
        if topic == "refused":
            refused = NewRejection(uuid4(), source, datetime.now(UTC), "required", [], "view", user_id, b"{}", True)
            made = make_rejection_record(refused)
        else:
            row = Row(user_id, AT + timedelta(seconds=offset), UUID(int=offset + 1).bytes, "view", None, b"{}", source)
            made = make_record(row, "test")
        return Message(
            topic=topic, partition=partition, offset=offset, key=made.key, value=made.value, headers=made.headers,
            timestamp=(1, 1_770_000_000_000),
        )  # fmt: skip


@pytest.fixture
def brokers():
    return Brokers()


@pytest.fixture
def start(postgres, database, brokers, monkeypatch):
    """A function that starts a storer's store, as the role that storers have."""
    monkeypatch.setattr(erased_users, "LOOK_SECONDS", 0)
    pools = []

    def start():
        pool = open_pool(
            postgres.url(database, "collector"), name="storer", size=1, timeout=30, options={}, watched=False
        )
        pools.append(pool)
        erased = ErasedUsers(
            pool, ["events", "refused"],
            read_keep=lambda _: brokers.keep, read_id=lambda topic: brokers.topics[topic][0], read_ends=brokers.read_ends,
        )  # fmt: skip
        erased.look()
        store = BatchStore(pool, erased, "refused", rejections_kept=100, rejection_bytes=1000)
        store.look, store.register_again = erased.look, erased.register_again
        return store

    yield start
    for pool in pools:
        pool.close()


@pytest.fixture
def control(postgres, database):
    """A connection of the role that erases."""
    with psycopg.connect(postgres.url(database, "control")) as connection:
        yield connection


@pytest.fixture
def erase(control, owner):
    """A function that erases what is stored of a user, as far as events go."""

    def erase(user_id, sources=None, commit=True):
        control.execute(ERASURE["shut_out_storers"])
        control.execute("delete from events where user_id = %s", [user_id])
        row = {"salt": b"salt", "user_ids": [user_id], "sources": sources}
        control.execute(ERASURE["note_for_storers"], row, binary=True)
        if commit:
            control.commit()

    return erase


def stored(owner):
    return [user_id for (user_id,) in owner.execute("select user_id from events order by user_id").fetchall()]


def test_what_waited_is_left_out_and_what_comes_afterwards_is_stored(brokers, start, erase, owner):
    store = start()
    waited = [brokers.write("ann"), brokers.write("bob"), brokers.write("ann", partition=1)]
    erase("ann")
    store.look()
    store.store([*waited, brokers.write("ann", partition=1)])
    assert stored(owner) == ["ann", "bob"]
    assert owner.execute('select "timestamp" from events where user_id = %s', ["ann"]).fetchall() == [
        (AT + timedelta(seconds=1),)
    ]


def test_what_was_stored_and_erased_isnt_stored_again_by_another_storer(brokers, start, erase, owner):
    records = [brokers.write("ann"), brokers.write("bob")]
    start().store(records)
    erase("ann")
    start().store(records)
    assert stored(owner) == ["bob"]


def test_without_knowing_the_ends_all_is_left_out_until_they_are_known(brokers, start, erase, owner):
    store = start()
    erase("ann")
    brokers.are_away = True
    store.store([brokers.write("ann")])
    assert stored(owner) == []
    brokers.are_away = False
    store.look()
    store.store([brokers.write("ann")])
    assert stored(owner) == ["ann"]


def test_the_first_end_after_an_erasure_counts(brokers, start, erase, owner):
    """Another erasure later doesn't move it."""
    store = start()
    erase("ann")
    store.look()
    back = brokers.write("ann")
    erase("bob")
    store.look()
    store.store([back])
    assert stored(owner) == ["ann"]


def test_ends_that_another_storer_wrote_late_dont_count_for_more(brokers, start, erase, owner):
    """One storer reads the ends after the third erasure; others, which knew of the ones before alone, read them later."""
    store = start()
    for user_id in ("ann", "bob", "cem"):
        erase(user_id)
    store.look()
    back = brokers.write("ann")
    owner.execute("insert into topic_ends select 'events', 'one', id, '{9,9}' from topic_erasures order by id limit 2")
    start().store([back])
    assert stored(owner) == ["ann"]


def test_an_erasure_of_one_source_leaves_others(brokers, start, erase, owner):
    store = start()
    records = [brokers.write("ann", source="shop"), brokers.write("ann", source="blog")]
    erase("ann", ["shop"])
    store.store(records)
    assert owner.execute("select source from events").fetchall() == [("blog",)]


def test_refused_events_and_dead_letters_are_left_out_too(brokers, start, erase, owner):
    store = start()
    unreadable = [brokers.write(user_id) for user_id in ("ann", "bob")]
    for record in unreadable:
        record.set_value(b"{")
    refused = [brokers.write(user_id, topic="refused") for user_id in ("ann", "bob")]
    erase("ann")
    store.store([*unreadable, *refused])
    kept = owner.execute("select user_id, reason from rejections order by 2").fetchall()
    assert kept == [("bob", "required"), ("bob", "unreadable_record")]


def test_a_batch_waits_for_an_erasure_and_an_erasure_that_failed_leaves_nothing_out(
    brokers, start, erase, control, owner
):
    store = start()
    records = [brokers.write("ann"), brokers.write("bob")]
    erase("ann", commit=False)
    storing = Meanwhile(lambda: store.store(records))
    wait_until(lambda: waiting_for_locks(owner))
    control.rollback()
    storing.end()
    assert stored(owner) == ["ann", "bob"]
    erase("ann", commit=False)
    storing = Meanwhile(lambda: store.store(records))
    wait_until(lambda: waiting_for_locks(owner))
    control.commit()
    storing.end()
    assert stored(owner) == ["bob"]


def test_an_erasure_waits_for_a_batch_and_deletes_what_was_in_it(brokers, start, erase, owner):
    store = start()
    with psycopg.connect(owner.info.dsn) as other:
        other.execute("lock table users in access exclusive mode")
        storing = Meanwhile(lambda: store.store([brokers.write("ann"), brokers.write("bob")]))
        wait_until(lambda: waiting_for_locks(owner) == 1)
        erasing = Meanwhile(lambda: erase("ann"))
        wait_until(lambda: waiting_for_locks(owner) == 2)
        other.rollback()
    storing.end()
    erasing.end()
    assert stored(owner) == ["bob"]


def test_a_storer_that_stops_within_a_batch_does_not_block_erasures_for_ever(start, postgres, database, owner):
    start()
    erasures = TopicErasures(lambda _: None)
    with psycopg.connect(postgres.url(database, "collector")) as connection:
        erasures.hold(connection)
        assert connection.execute("show idle_in_transaction_session_timeout").fetchone() == ("30s",)


def test_a_topic_with_another_id_may_have_records_of_before(brokers, start, erase, owner):
    """It was mirrored by another cluster, or restored from a backup."""
    store = start()
    records = [brokers.write("ann"), brokers.write("bob")]
    store.store(records)
    erase("ann")
    store.look()
    brokers.topics["events"] = "mirror", brokers.topics["events"][1]
    other = start()
    other.store([*records, brokers.write("ann")])
    assert stored(owner) == ["ann", "bob"]
    assert read_known_from(owner, "events", "mirror") == [2, 0]


def test_until_the_ends_of_a_topic_with_another_id_are_known_all_is_left_out(brokers, start, erase, owner):
    store = start()
    records = [brokers.write("ann")]
    erase("ann")
    store.look()
    brokers.topics["events"] = "mirror", brokers.topics["events"][1]
    brokers.are_away = True
    start().store([*records, brokers.write("ann")])
    assert stored(owner) == []
    assert read_known_from(owner, "events", "mirror") is None


def test_a_topic_that_is_made_again_while_a_storer_runs_is_registered_at_the_next_erasure(brokers, start, erase, owner):
    brokers.topics["events"] = "one", [500, 500]
    store = start()
    erase("ann")
    store.look()
    brokers.topics["events"] = "three", [0, 0]
    erase("bob")
    store.look()
    store.look()
    store.store([brokers.write("ann"), brokers.write("bob")])
    assert stored(owner) == ["ann", "bob"]


def test_a_topic_is_registered_again_when_the_storer_is_told(brokers, start, erase, owner):
    brokers.topics["refused"] = "two", [500]
    store = start()
    erase("ann")
    store.look()
    brokers.topics["refused"] = "three", [0]
    store.register_again()
    store.look()
    store.store([brokers.write("ann", topic="refused")])
    assert owner.execute("select user_id from rejections").fetchall() == [("ann",)]


def test_a_partition_that_is_added_later_has_nothing_of_before(brokers, start, erase, owner):
    store = start()
    erase("ann")
    store.look()
    brokers.topics["events"] = "one", [0, 0, 0]
    store.store([brokers.write("ann", partition=2)])
    assert stored(owner) == ["ann"]


def test_nothing_is_noted_before_a_storer_has_registered(erase, owner):
    erase("ann")
    assert owner.execute("select count(*) from topic_erasures").fetchone() == (0,)


@pytest.fixture
def upkeep(owner):
    """A function that forgets erasures as `tracker maintain` does."""
    queries = load_queries("event_tracker.cli.database", "maintain.sql")

    def run():
        for name in ("forget_topic_erasures", "forget_topic_ends"):
            owner.execute(queries[name])
        return owner.execute("select count(*) from topic_erasures").fetchone()[0]

    return run


def pass_days(owner, days):
    """As if all that is noted had been noted so many days earlier."""
    for table, columns in {"topics": ("checked_at", "known_since"), "topic_erasures": ("at",)}.items():
        moved = ", ".join(f"{one} = {one} - interval '{days} days'" for one in columns)
        owner.execute(f"update {table} set {moved}".encode())


def test_what_waits_while_no_storer_runs_stays_erased_though_retention_is_raised(brokers, start, erase, upkeep, owner):
    brokers.keep = timedelta(days=1)
    store = start()
    pass_days(owner, 30)
    start()
    waits = [brokers.write("ann"), brokers.write("bob")]
    erase("ann")
    store.look()
    pass_days(owner, 4)
    assert upkeep() == 1
    brokers.keep = timedelta(days=30)
    start().store(waits)
    assert stored(owner) == ["bob"]


def test_a_topic_with_another_id_may_have_records_as_old_as_those_of_the_topic_before(
    brokers, start, erase, upkeep, owner
):
    """Where a mirror keeps records for a shorter time, it begins to count when it gets them."""
    brokers.keep = timedelta(days=30)
    records = [brokers.write("ann")]
    start()
    erase("ann")
    pass_days(owner, 20)
    brokers.keep = timedelta(days=7)
    brokers.topics["events"] = "mirror", brokers.topics["events"][1]
    start()
    assert upkeep() == 1
    start().store(records)
    assert stored(owner) == []
    pass_days(owner, 9)
    start()
    assert upkeep() == 0


def test_it_is_known_from_which_records_on_erasures_are_known(brokers, start, owner):
    brokers.topics["events"] = "one", [3, 0]
    brokers.are_away = True
    store = start()
    assert read_known_from(owner, "events", "one") is None
    brokers.are_away = False
    store.look()
    brokers.topics["events"] = "one", [5, 5]
    start()
    assert read_known_from(owner, "events", "one") == [3, 0]
    assert read_known_from(owner, "events", "other") is None


def test_a_day_has_one_salt(start, erase, owner):
    start()
    erase("ann")
    erase("bob")
    rows = owner.execute(
        "select count(*), count(distinct salt), count(distinct user_hash) from topic_erasures"
    ).fetchall()
    assert rows == [(2, 1, 2)]
