"""The importer on a real Kafka and a real collector: each record of somebody else's topic is one event."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest
import requests
from confluent_kafka import Producer
from ports import free_port
from servers import Postgres
from sites import make_source
from storers import check_books, is_all_committed, wait_stored
from stream_processes import stream_processes
from waiting import wait_until

KILLS = int(os.environ.get("KAFKA_KILLS", "5"))

MAPPING = """
user_id = "customer.id"
event_type = {constant = "order_placed"}
session_id = {header = "session"}

[properties]
number = "number"
amount = "total.amount"
key = {record = "key"}
"""


@pytest.fixture
def key(owner):
    return make_source(owner, "shop", [])


@pytest.fixture
def start(tmp_path, kafka, topic, collector, key):
    """A function that starts an importer of the topic."""
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(MAPPING)
    common = {
        "INPUT_TOPIC": topic, "KAFKA_GROUP": topic, "MAPPING_FILE": mapping, "COLLECTOR_URL": collector.url, "WRITE_KEY": key
    }  # fmt: skip
    with stream_processes(tmp_path, kafka, "importer", common) as start_importer:
        yield start_importer


class Orders:
    """Orders in a topic, as somebody else writes them: without ids and times of ours."""

    def __init__(self, kafka, topic):
        self._topic = topic
        self._producer = Producer(kafka.client(acks="all", **{"enable.idempotence": True}))
        self.sent = 0

    def send(self, number):
        for one in range(self.sent, self.sent + number):
            order = {"number": one, "customer": {"id": one % 50}, "total": {"amount": 9.5, "currency": "EUR"}}
            self.put(json.dumps(order), key=f"order-{one}", headers={"session": "s1"})
        self._producer.flush(60)
        self.sent += number

    def put(self, value, **options):
        self._producer.produce(self._topic, value, **options)
        self._producer.poll(0)

    def flush(self):
        assert self._producer.flush(60) == 0


def check(owner, url, number):
    """Each order is one event, counted once."""
    check_books(url, set())
    found = owner.execute("select (properties->>'number')::int from events order by 1").fetchall()
    assert found == [(one,) for one in range(number)]


def test_records_become_events(kafka, topic, owner, url, start):
    orders = Orders(kafka, topic)
    orders.send(2500)
    importer = start()
    wait_stored(url, 2500)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check(owner, url, 2500)
    ((user, kind, session, source, properties),) = owner.execute(
        "select user_id, event_type, session_id, source, properties from events where properties->>'number' = '7'"
    ).fetchall()
    assert (user, kind, session, source) == ("7", "order_placed", "s1", "shop")
    assert properties == {"number": 7, "amount": 9.5, "key": "order-7"}
    assert importer.metric("importer_records_total", outcome="stored") == 2500
    wait_until(lambda: importer.metric("importer_lag_records") == 0, "no lag")
    assert importer.stop(signal.SIGTERM) == 0


def test_a_killed_importer_loses_nothing_and_doubles_nothing(kafka, topic, owner, url, start):
    orders = Orders(kafka, topic)
    stopping = threading.Event()

    def send() -> None:
        while not stopping.wait(0.02):
            orders.send(20)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        for kill in range(1, KILLS + 1):
            importer = start(BATCH_EVENTS=50)
            wait_stored(url, kill * 300)
            importer.kill()
            check_books(url, set())
    finally:
        stopping.set()
        sending.join()
    start()
    wait_stored(url, orders.sent)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check(owner, url, orders.sent)


def test_poison_is_kept_where_refused_events_are_and_its_neighbours_are_stored(kafka, topic, owner, url, start):
    orders = Orders(kafka, topic)
    orders.send(100)
    for value in ("{", "[]", None, json.dumps({"number": 1}), json.dumps({"customer": {"id": "x" * 300}})):
        orders.put(value)
    orders.put(json.dumps({"customer": {"id": 1}, "number": "x" * 100_000}))
    orders.flush()
    orders.send(100)
    importer = start()
    wait_stored(url, 200)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check(owner, url, 200)
    wait_until(lambda: owner.execute("select count(*) from rejections").fetchone() == (5,), "they are kept")
    payloads = [json.loads(row[0]) for row in owner.execute("select payload from rejections where is_whole").fetchall()]
    places = [one["unreadable_record"] for one in payloads if "unreadable_record" in one]
    assert sorted(one["value"] for one in places) == ["[]", "{"]
    assert {one["topic"] for one in places} == {topic}
    outcomes = {
        name: importer.metric("importer_records_total", outcome=name)
        for name in ("stored", "refused", "unreadable", "tombstone")
    }
    assert outcomes == {"stored": 200, "refused": 3, "unreadable": 2, "tombstone": 1}
    assert "a record is refused" in importer.log.read_text()


def test_while_no_collector_answers_it_keeps_its_partitions(
    tmp_path: Path, kafka, topic, owner, url, start, start_service, postgres: Postgres, database, key
):
    port = free_port()
    orders = Orders(kafka, topic)
    orders.send(100)
    importer = start(COLLECTOR_URL=f"http://127.0.0.1:{port}")
    wait_until(lambda: importer.metric("importer_paused") == 1, "it waits")
    assert importer.metric("importer_collector_errors_total", status="silence") >= 1
    assert requests.get(f"{importer.url}/livez", timeout=30).status_code == 200
    orders.send(100)
    start_service("collector", DATABASE_URL=postgres.url(database, "collector"), PORT=port)
    wait_stored(url, 200)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check(owner, url, 200)
    assert importer.metric("importer_paused") == 0
    assert importer.metric("importer_rebalances_total") == 1


def test_a_wrong_key_ends_it_with_the_cause(kafka, topic, owner, start):
    Orders(kafka, topic).send(10)
    importer = start(wait=False, WRITE_KEY="wk_wrong")
    assert importer.process.wait(60) == 1
    said = importer.log.read_text()
    assert "401" in said
    assert "WRITE_KEY" in said
    assert "Traceback" not in said
    assert "wk_wrong" not in said
    assert owner.execute("select count(*) from events").fetchone() == (0,)


def test_every_mistake_of_the_mapping_file_is_named(tmp_path, start):
    mapping = tmp_path / "wrong.toml"
    mapping.write_text("user_id = 'a.['\nuserid = 'a'\n[properties]\nx = {header = 1}\n")
    importer = start(wait=False, MAPPING_FILE=mapping)
    assert importer.process.wait(60) == 1
    said = importer.log.read_text()
    assert [path for path in ("user_id: ", "userid: ", "event_type: ", "properties.x: ") if path not in said] == []
