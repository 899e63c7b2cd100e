"""The way from greenlets to librdkafka and back, with the broker that librdkafka has inside for tests.

What real brokers do is tested in tests/platform/kafka.
"""

import subprocess
import sys
from datetime import UTC, datetime
from uuid import uuid4

import gevent
import pytest
from confluent_kafka import KafkaError
from gevent.pool import Group
from ports import free_port

from event_tracker.collector import metrics
from event_tracker.collector.kafka import client as kafka_client
from event_tracker.collector.kafka.buffer import Buffer, Delivery
from event_tracker.collector.kafka.client import KafkaClient
from event_tracker.core.http.errors import Problem
from event_tracker.core.kafka.configuration import producer_configuration
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import KafkaRefusedError, Topic
from event_tracker.model.storing.row import NotStorableError, Row

MAX_BYTES = 100_000
SECONDS = 30.0

INSIDE = {"test.mock.num.brokers": 1, "allow.auto.create.topics": True, "statistics.interval.ms": 200}
"""librdkafka's options for a broker that makes topics when they are asked for, and for statistics that nobody waits for long."""


def row(**fields):
    made = {
        "user_id": "ann", "timestamp": datetime(2026, 3, 1, tzinfo=UTC), "event_id": uuid4().bytes, "event_type": "view",
        "session_id": None, "properties": b"{}", "source": "default",
    }  # fmt: skip
    return Row(**{**made, **fields})


def wait_for(condition):
    with gevent.Timeout(SECONDS):
        while not condition():
            gevent.sleep(0.02)


def is_ready(client):
    try:
        client.require_ready()
    except Problem:
        return False
    return True


def open_client(**options):
    settings = KafkaSettings.read(kafka_brokers=f"127.0.0.1:{free_port()}")
    return KafkaClient(settings, {"events": 1000}, delivery_seconds=SECONDS, **{"queue_records": 5000, **options})


@pytest.fixture
def checked(monkeypatch):
    """Clients whose topic is as it must be, with a broker inside."""
    monkeypatch.setattr(kafka_client, "check_topic", lambda *_, **__: Topic("events", 1, 3, 2, MAX_BYTES))
    monkeypatch.setattr(
        kafka_client,
        "producer_configuration",
        lambda *given, **named: {**producer_configuration(*given, **named), **INSIDE},
    )


@pytest.fixture
def client(checked):
    made = open_client()
    wait_for(lambda: is_ready(made))
    yield made
    made.close()


@pytest.fixture
def buffer(client):
    return Buffer(client, "events", queue_events=20_000, store_seconds=SECONDS)


def store(buffer, *rows):
    with buffer.queue.reserve("default", len(rows)) as request:
        request.request_id = "request-1"
        return buffer.store(rows, request)


def test_many_requests_at_once_are_accepted_each_with_its_own_rows(buffer):
    requests = Group()
    answers = list(
        requests.imap_unordered(lambda size: store(buffer, *[row() for _ in range(size)]), [1, 2, 3, 300] * 10)
    )
    assert sorted(map(len, answers)) == sorted([1, 2, 3, 300] * 10)
    assert {outcome for answer in answers for outcome in answer} == {"accepted"}
    assert buffer.queue.events == 0


def test_one_that_is_too_large_costs_no_other(buffer):
    outcomes = store(buffer, row(), row(properties=b'{"a":"%b"}' % (b"x" * MAX_BYTES)), row())
    assert [outcomes[0], outcomes[2]] == ["accepted", "accepted"]
    assert isinstance(outcomes[1], NotStorableError)
    (alone,) = store(buffer, row(properties=b'{"a":"%b"}' % (b"x" * MAX_BYTES)))
    assert isinstance(alone, NotStorableError)


def test_the_queue_is_bounded(checked):
    client = open_client(queue_records=10)
    try:
        wait_for(lambda: is_ready(client))
        buffer = Buffer(client, "events", queue_events=20_000, store_seconds=SECONDS)
        with pytest.raises(Problem) as refused:
            store(buffer, *[row() for _ in range(1000)])
        assert (refused.value.status, refused.value.code) == (503, "queue_full")
    finally:
        client.close()


def test_a_broken_producer_is_replaced(client, buffer):
    broken = client.require_producer()
    client.note(KafkaError(KafkaError._FATAL, "out of sequence", fatal=True))
    wait_for(lambda: is_ready(client) and client.require_producer() is not broken)
    assert store(buffer, row()) == ["accepted"]


def count_errors(code):
    return metrics.BUFFER_ERRORS.labels(code)._value.get()


def test_an_error_in_the_thread_does_not_end_it(checked, monkeypatch):
    monkeypatch.setattr(kafka_client, "RETRY_SECONDS", 0.0)
    real, faults, before = kafka_client.Producer, [ValueError("no such option")], count_errors("ValueError")
    monkeypatch.setattr(kafka_client, "Producer", lambda options: real(options) if not faults else fail(faults.pop()))

    def fail(error):
        raise error

    client = open_client()
    try:
        wait_for(lambda: is_ready(client))
        assert store(Buffer(client, "events", queue_events=10, store_seconds=SECONDS), row()) == ["accepted"]
        assert count_errors("ValueError") == before + 1
    finally:
        client.close()


def test_an_error_while_the_producer_is_polled_makes_a_new_one(client, buffer, monkeypatch):
    broken = client.require_producer()
    faults = [ValueError("not as expected")]

    def decode(_):
        if faults:
            raise faults.pop()
        return kafka_client._Statistics({})

    before = count_errors("ValueError")
    monkeypatch.setattr(kafka_client, "_decode_statistics", decode)
    wait_for(lambda: is_ready(client) and client.require_producer() is not broken)
    assert count_errors("ValueError") == before + 1
    assert store(buffer, row()) == ["accepted"]


def test_what_can_not_be_checked_is_counted(monkeypatch):
    """BrokersDown asks for errors: a collector without Kafka has 0 brokers, too."""
    monkeypatch.setattr(kafka_client, "CHECK_SECONDS", 0.0)
    before = count_errors("_TRANSPORT")
    client = open_client()
    try:
        wait_for(lambda: count_errors("_TRANSPORT") > before)
    finally:
        client.close()


def test_while_no_broker_can_be_reached_it_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(kafka_client, "CHECK_SECONDS", 0.0)
    client = open_client()
    try:
        wait_for(lambda: client._last_error.cause)
        with pytest.raises(Problem) as refused:
            store(Buffer(client, "events", queue_events=10, store_seconds=SECONDS), row())
        assert (refused.value.status, refused.value.code) == (503, "kafka_unavailable")
        assert refused.value.headers["Retry-After"] == "1"
        with pytest.raises(Problem):
            client.report()
    finally:
        client.close()


def test_the_cause_of_a_refusal_is_named_by_its_code_alone(monkeypatch):
    def refuse(*_, **__):
        raise KafkaRefusedError("_SSL", "ssl://kafka-1.internal:9093: certificate verify failed")

    monkeypatch.setattr(kafka_client, "check_topic", refuse)
    client = open_client()
    try:
        wait_for(lambda: client._last_error.cause)
        with pytest.raises(Problem) as refused:
            client.require_ready()
        assert "(_SSL)" in refused.value.detail
        assert "kafka-1" not in refused.value.detail
    finally:
        client.close()


class Calls:
    """Makes calls at once, as the hub does later."""

    def call_soon(self, function, *arguments):
        function(*arguments)


@pytest.mark.parametrize("early", [0, 1, 2], ids=["none", "some", "all"])
def test_a_delivery_is_done_when_all_are_reported_however_early(early):
    delivery = Delivery(Calls())
    for _ in range(early):
        delivery.note(None, None)
    delivery.expect(2)
    for _ in range(2 - early):
        assert not delivery.done.is_set()
        delivery.note(None, None)
    assert delivery.done.is_set()


def test_the_first_error_of_a_delivery_stays():
    delivery = Delivery(Calls())
    for code in (KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT):
        delivery.note(KafkaError(code), None)
    delivery.expect(2)
    assert (delivery.failed, delivery.error.code()) == (2, KafkaError._MSG_TIMED_OUT)


def test_without_brokers_nothing_of_kafka_is_imported():
    code = (
        "import sys; import event_tracker.collector.app, event_tracker.collector.kafka.check; "
        "sys.exit(any(name.startswith('confluent_kafka') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
