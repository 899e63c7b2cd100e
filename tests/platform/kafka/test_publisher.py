"""The publisher puts each stored event into its topics at least once, and nothing that isn't stored; also if it is killed."""

import json

import psycopg
import pytest
import requests
from kafka_records import read_topic
from ports import free_port
from publishers import Writer, published, publishers, stored_ids, tombstones, wait_published
from storers import make_row
from waiting import wait_until
from world import World, an_event

KILLS = 6


def test_each_stored_event_is_published_as_it_is_stored(kafka, topic, owner, writer, publish):
    properties = b'{"text": "\xc3\xa9", "price": 12.50}'  # in the order in which PostgreSQL keeps names
    row = make_row(1, session_id="s", source="shop", properties=properties)
    writer.store(row)
    publish()
    assert wait_published(owner, kafka, topic) == [row]
    (record,) = read_topic(kafka, topic)
    assert record.key() == row.user_id.encode()
    ((received_at,),) = owner.execute("select received_at from events").fetchall()
    assert dict(record.headers()) == {"v": b"1", "received_at": received_at.isoformat().encode()}


def test_a_user_s_records_are_in_the_order_of_receipt(kafka, topic, owner, writer, publish):
    for number in range(20):
        writer.store(*(make_row(20 * number + one, user_id="ann") for one in range(20)))
    publish(BATCH_EVENTS=30)
    rows = wait_published(owner, kafka, topic)
    order = [row[0].bytes for row in owner.execute("select event_id from events order by received_at")]
    assert [row.event_id for row in rows] == order


def test_killed_again_and_again_it_publishes_everything(kafka, topic, owner, writer, publish):
    with writer.storing():
        publisher = publish(BATCH_EVENTS=50)
        for _ in range(KILLS):
            before = len(read_topic(kafka, topic))
            wait_until(lambda before=before: len(read_topic(kafka, topic)) > before + 50, "it publishes")
            publisher.kill()
            publisher = publish(BATCH_EVENTS=50)
    rows = wait_published(owner, kafka, topic)
    assert len(rows) >= len(stored_ids(owner)) > KILLS * 50
    assert publisher.stop() == 0


def test_a_restart_forgets_nothing_and_repeats_little(kafka, topic, owner, writer, publish):
    writer.store_new(300)
    publisher = publish()
    wait_published(owner, kafka, topic)
    wait_until(lambda: publisher.metric("publisher_lag_seconds") < 1, "it has seen that all is published")
    assert publisher.stop() == 0
    writer.store_new(300)
    publish(PUBLISH_FROM="now")
    assert len(wait_published(owner, kafka, topic)) <= 601


def test_it_may_begin_with_what_comes(kafka, topic, owner, writer, publish):
    writer.store_new(10)
    passed = "select max(received_at) < (select mark from relay_mark()) from events"
    wait_until(lambda: owner.execute(passed).fetchone() == (True,), "the mark passes them")
    old = stored_ids(owner)
    publish(PUBLISH_FROM="now")
    writer.store_new(10)
    new = stored_ids(owner) - old
    wait_until(lambda: len(published(kafka, topic)) >= 10, "ten are published")
    assert {row.event_id for row in published(kafka, topic)} == new


def test_events_of_a_type_are_in_a_topic_of_their_own(kafka, topic, owner, writer, publish):
    views, clicks = (kafka.create_topic(f"{topic}.{name}", 3) for name in ("views", "clicks"))
    for number, kind in enumerate(["page_view", "click", "tap", "buy"] * 5):
        writer.store(make_row(number, event_type=kind))
    publish(PUBLISH_FILTERED=f"{views}:page_view,{clicks}:click,{clicks}:tap")
    wait_published(owner, kafka, topic)
    wait_until(lambda: len(read_topic(kafka, views)) == 5 and len(read_topic(kafka, clicks)) == 10, "they are there")
    assert {row.event_type for row in published(kafka, views)} == {"page_view"}
    assert {row.event_type for row in published(kafka, clicks)} == {"click", "tap"}


def test_two_of_one_name_take_turns(kafka, topic, owner, writer, publish):
    first, second = publish(), publish()
    assert [one.metric("publisher_active") for one in (first, second)] == [1, 0]
    writer.store_new(100)
    assert len(wait_published(owner, kafka, topic)) == 100
    first.kill()
    wait_until(lambda: second.metric("publisher_active") == 1, "it is the second one's turn")
    writer.store_new(100)
    wait_published(owner, kafka, topic)


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_an_erased_user_s_records_end_with_a_tombstone(
    kafka, topic, owner, writer, publish, postgres, database, start_service, mode
):
    views = kafka.create_topic(f"{topic}.views", 3)
    world = World(postgres, database, start_service, owner)
    world.send([an_event(user, "2026-03-01T10:00:00Z", 1, event_type="page_view") for user in ("ann", "bob")])
    publisher = publish(PUBLISH_FILTERED=f"{views}:page_view")
    wait_published(owner, kafka, topic)
    world.erase("ann", mode=mode).raise_for_status()
    wait_until(lambda: tombstones(kafka, topic) == tombstones(kafka, views) == ["ann"], "both topics have a tombstone")
    wait_until(lambda: owner.execute("select count(*) from relay_erasures").fetchone() == (0,), "the id is forgotten")
    assert publisher.metric("publisher_tombstones_total") == 2
    (tombstone,) = [one for one in read_topic(kafka, topic) if one.value() is None]
    assert tombstone.headers() == [("v", b"1")]
    world.send([an_event("ann", "2026-03-01T11:00:00Z", 2)])
    wait_until(lambda: tombstones(kafka, topic) == [], "a new event of the same id")


def test_an_erasure_of_some_sources_names_them(kafka, topic, owner, writer, publish):
    publish()
    owner.execute("insert into relay_erasures (relay, user_id, sources) values ('publisher', 'ann', '{blog,shop}')")
    wait_until(lambda: tombstones(kafka, topic) == ["ann"], "there is a tombstone")
    (tombstone,) = read_topic(kafka, topic)
    assert json.loads(dict(tombstone.headers())["sources"]) == ["blog", "shop"]


def test_an_erasure_while_it_is_away_is_published_later(kafka, topic, owner, writer, publish):
    writer.store_new(100)
    publisher = publish()
    wait_published(owner, kafka, topic)
    publisher.kill()
    owner.execute("insert into relay_erasures (relay, user_id) values ('publisher', 'user-1')")
    publish()
    wait_until(lambda: tombstones(kafka, topic) == ["user-1"], "there is a tombstone")


def test_who_holds_the_mark_is_named(kafka, topic, url, writer, publish):
    publisher = publish()
    with psycopg.connect(url) as holder:
        holder.execute("lock table events in row exclusive mode")
        wait_until(lambda: publisher.metric("publisher_mark_held_seconds") > 1, "it is held")
        wait_until(lambda: publisher.metric("publisher_lag_seconds") > 1, "the lag grows")
    wait_until(lambda: publisher.metric("publisher_mark_held_seconds") == 0, "it isn't held any more")


def test_it_waits_for_a_database_and_goes_on(own_postgres, tmp_path, kafka, topic):
    writer = Writer(own_postgres.url("events", "collector"))
    writer.store_new(50)
    with publishers(tmp_path, kafka, topic, own_postgres.url("events", "relay")) as start:
        publisher = start()
        own_postgres.stop("immediate")
        wait_until(lambda: "can't read" in publisher.log.read_text(), "it says so")
        assert requests.get(f"{publisher.url}/livez", timeout=30).status_code == 200
        wait_until(lambda: publisher.metric("publisher_lag_seconds") > 1, "the lag grows")
        own_postgres.start()
        writer.store_new(50)
        with psycopg.connect(own_postgres.url("events"), autocommit=True) as connection:
            wait_published(connection, kafka, topic)
        assert publisher.process.poll() is None


def test_it_waits_for_brokers_at_the_start(publish):
    publisher = publish(wait=False, KAFKA_BROKERS=f"127.0.0.1:{free_port()}")
    wait_until(lambda: "waits for Kafka" in publisher.log.read_text(), "it waits")
    assert requests.get(f"{publisher.url}/readyz", timeout=30).status_code == 503
    assert publisher.stop() == 0
