"""Who was erased is gone from Cassandra, whenever the relay learns of it; what they do afterwards stays."""

import uuid

import pytest
from cassandra_rows import keys, read_rows, stored_keys, wait_relayed
from storers import make_row
from waiting import wait_until
from world import World, an_event

from event_tracker.core.cassandra.connection import open_session
from event_tracker.core.cassandra.settings import CassandraSettings
from event_tracker.model.cassandra.user_event_writer import UserEventWriter
from event_tracker.model.cassandra.user_events import make_table
from event_tracker.model.relaying.stored_event import StoredEvent

PENDING = "select count(*) from relay_erasures"


def send(world: World, user: str, *numbers: int, at: str = "10:00:00") -> None:
    world.send([an_event(user, f"2026-03-01T{at}Z", number) for number in numbers])


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_an_erased_user_s_partition_is_gone_and_the_receipt_names_cassandra(
    node, keyspace, owner, relay, postgres, database, start_service, mode
):
    world = World(postgres, database, start_service, owner)
    send(world, "ann", 1, 2)
    send(world, "bob", 1, 2)
    process = relay()
    wait_relayed(owner, node, keyspace)
    receipt = world.erase("ann", mode=mode).json()
    assert receipt["copies"] == [{"place": "cassandra", "until": None}]
    wait_until(lambda: read_rows(node, keyspace, "ann") == [], "they are gone")
    wait_until(lambda: owner.execute(PENDING).fetchone() == (0,), "the id is forgotten")
    assert process.metric("cassandra_relay_erasures_total") == 1
    send(world, "ann", 3, at="11:00:00")
    wait_until(lambda: keys(read_rows(node, keyspace, "ann")) == stored_keys(owner, "ann"), "a new event is there")
    assert keys(read_rows(node, keyspace, "bob")) == stored_keys(owner, "bob")


def test_an_erasure_while_the_relay_lags_deletes_and_what_comes_later_stays(
    node, keyspace, owner, relay, postgres, database, start_service
):
    world = World(postgres, database, start_service, owner)
    send(world, "ann", 1, 2)
    send(world, "bob", 1)
    process = relay()
    wait_relayed(owner, node, keyspace)
    process.kill()
    send(world, "ann", 3, 4)  # not relayed, and erased
    world.erase("ann").raise_for_status()
    send(world, "ann", 5, 6)
    relay()
    assert len(wait_relayed(owner, node, keyspace)) == 3


def test_an_erasure_of_some_sources_leaves_the_others(node, keyspace, owner, writer, relay):
    for number, source in enumerate(["blog", "shop", "app"] * 2):
        writer.store(make_row(number, user_id="ann", source=source))
    relay()
    wait_relayed(owner, node, keyspace)
    owner.execute("delete from events where source in ('blog', 'shop')")
    owner.execute("insert into relay_erasures (relay, user_id, sources) values ('cassandra', 'ann', '{blog,shop}')")
    assert {row.source for row in wait_relayed(owner, node, keyspace)} == {"app"}


@pytest.fixture
def table(node, keyspace, sign_in, monkeypatch):
    """What writes to the table, as the relay does."""
    for name, value in sign_in.items():
        monkeypatch.setenv(name, str(value))
    session = open_session(CassandraSettings.read())
    make_table(session)
    yield UserEventWriter(session)
    session.cluster.shutdown()


def stored(number: int, **fields: object) -> StoredEvent:
    row = make_row(number, user_id="ann", event_id=uuid.uuid4().bytes, **fields)
    return StoredEvent(row, row.timestamp)


def test_a_write_that_arrives_after_an_erasure_it_did_not_know_of_stays_deleted(node, keyspace, table):
    """Of a relay that stood still in the middle of a write, while another one had its turn."""
    assert table.write([stored(1)], 1000) == []
    table.delete_user("ann", 2000)
    assert table.write([stored(2)], 1999) == []
    assert read_rows(node, keyspace) == []
    assert table.write([stored(3)], 2001) == []
    assert len(read_rows(node, keyspace)) == 1


def test_an_erasure_deletes_what_has_a_later_time_too(node, keyspace, table):
    """PostgreSQL's clock may go back, such as by a failover."""
    assert table.write([stored(1)], 5000) == []
    table.delete_user("ann", 2000)
    assert read_rows(node, keyspace) == []
    assert table.write([stored(2, source="shop"), stored(3, source="blog")], 7000) == []
    table.delete_events("ann", ["shop"], 2000)
    assert [row.source for row in read_rows(node, keyspace)] == ["blog"]
