"""The relay writes each stored event to Cassandra once by its key; also if it is killed."""

from datetime import timedelta

from cassandra_rows import keys, read_rows, stored_keys, wait_relayed
from storers import START, make_row
from waiting import wait_until

KILLS = 3


def test_each_stored_event_is_there_as_it_is_stored(node, keyspace, owner, writer, relay):
    properties = b'{"text": "\xc3\xa9", "price": 12.50}'  # in the order in which PostgreSQL keeps names
    row = make_row(1, session_id="s", source="shop", properties=properties)
    writer.store(row)
    relay()
    (found,) = wait_relayed(owner, node, keyspace)
    ((micros, received),) = owner.execute(
        'select (extract(epoch from "timestamp") * 1000000)::bigint, (extract(epoch from received_at) * 1000000)::bigint from events'
    ).fetchall()
    assert found._asdict() == {
        "user_id": row.user_id,
        "event_time": row.timestamp.replace(tzinfo=None),
        "event_micros": micros,
        "event_id": found.event_id,
        "event_type": row.event_type,
        "session_id": "s",
        "source": "shop",
        "properties": properties.decode(),
        "received_micros": received,
    }
    assert found.event_id.bytes == row.event_id


def test_no_two_events_are_one_row_and_a_user_s_are_asked_for_by_time_newest_first(
    node, keyspace, owner, writer, relay
):
    # In one millisecond, at one time, and before 1970.
    times = [START + timedelta(microseconds=one) for one in (0, 1, 999)] + [
        START - timedelta(days=40_000, microseconds=1)
    ]
    for time in times:
        writer.store(make_row(1, user_id="ann", timestamp=time))
    writer.store(make_row(2, user_id="ann", timestamp=START))
    writer.store(*(make_row(number, user_id="bob") for number in range(20)), make_row(99, user_id="eve"))
    relay()
    assert len(wait_relayed(owner, node, keyspace)) == 26
    question = (
        f"select event_type, properties from {keyspace}.user_events "
        "where user_id = %s and event_time >= %s and event_time < %s limit 5"
    )
    start, end = START + timedelta(seconds=3), START + timedelta(seconds=12)
    found = node.session.execute(question, ["bob", start, end])
    assert [row.properties for row in found] == [f'{{"number": {number}}}' for number in (11, 10, 9, 8, 7)]


def test_killed_again_and_again_it_relays_everything_once(node, keyspace, owner, writer, relay):
    with writer.storing():
        process = relay(BATCH_EVENTS=50)
        for _ in range(KILLS):
            before = len(read_rows(node, keyspace))
            wait_until(lambda before=before: len(read_rows(node, keyspace)) > before + 50, "it relays")
            process.kill()
            process = relay(BATCH_EVENTS=50)
    assert len(wait_relayed(owner, node, keyspace)) > KILLS * 50
    assert process.stop() == 0


def test_it_goes_on_where_it_was(node, keyspace, owner, writer, relay):
    writer.store_new(300)
    process = relay()
    wait_relayed(owner, node, keyspace)
    wait_until(lambda: process.metric("cassandra_relay_lag_seconds") < 1, "it has seen that all is there")
    assert process.stop() == 0
    writer.store_new(100)
    process = relay(RELAY_FROM="now")
    wait_relayed(owner, node, keyspace)
    assert process.metric("cassandra_relay_events_total") <= 101
    assert process.metric("cassandra_relay_active") == 1


def test_it_may_begin_with_what_comes(node, keyspace, owner, writer, relay):
    writer.store_new(10)
    passed = "select max(received_at) < (select mark from relay_mark()) from events"
    wait_until(lambda: owner.execute(passed).fetchone() == (True,), "the mark passes them")
    old = stored_keys(owner)
    relay(RELAY_FROM="now")
    writer.store_new(10)
    new = sorted(set(stored_keys(owner)) - set(old))
    wait_until(lambda: len(read_rows(node, keyspace)) >= 10, "ten are there")
    assert keys(read_rows(node, keyspace)) == new
