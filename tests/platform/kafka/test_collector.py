"""The collector on a real Kafka: what is answered with 202 is in the topic; what isn't gets a 503 and is safe to send again."""

import json
import secrets
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from kafka_records import read_rows, read_topic, start_collector
from prometheus_client.parser import text_string_to_metric_families
from waiting import wait_until

from event_tracker.cli.client import Client
from event_tracker.cli.ingest.delivery import deliver

EVENT = {"user_id": "ann", "event_type": "view", "timestamp": "2026-03-01T12:00:00.123456Z", "properties": {"n": 1.5}}


@pytest.fixture
def topic(kafka):
    """A topic for events, and one for refused ones."""
    name = f"events-{uuid.uuid4().hex}"
    kafka.create_topic(f"{name}.rejections", 2)
    return kafka.create_topic(name)


@pytest.fixture
def start(start_service, kafka, topic, postgres, database):
    """start(**settings) starts a collector on the topic."""
    url = postgres.url(database, "collector")
    return lambda **settings: start_collector(start_service, kafka, topic, url, **settings)


def post(collector, body, timeout=60, **parameters):
    return requests.post(f"{collector.url}/events", json=body, params=parameters, timeout=timeout)


def event(**fields):
    return {**EVENT, "event_id": str(uuid.uuid4()), **fields}


def metric(collector, name, **labels):
    text = requests.get(f"{collector.url}/metrics", timeout=30).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())


def ready(collector):
    return requests.get(f"{collector.url}/readyz", timeout=30)


def test_what_is_accepted_is_in_the_topic(start, kafka, topic, owner):
    collector = start()
    one, batch = event(), [event(user_id=f"user-{number}") for number in range(300)]
    answer = post(collector, one)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert answer.json()["event_id"] == one["event_id"]
    answer = post(collector, batch)
    assert answer.status_code == 202
    assert answer.json() == {"received": 300, "stored": 0, "duplicates": 0, "accepted": 300, "rejected": 0}
    assert post(collector, one).status_code == 202  # it can't know
    records = read_topic(kafka, topic)
    assert sorted(record.key().decode() for record in records) == sorted(
        ["ann", "ann", *(sent["user_id"] for sent in batch)]
    )
    rows = read_rows(kafka, topic)
    assert {str(uuid.UUID(bytes=row.event_id)) for row in rows} == {sent["event_id"] for sent in [one, *batch]}
    assert {row.timestamp.isoformat() for row in rows} == {"2026-03-01T12:00:00.123456+00:00"}
    # One user's events are in one partition, in the order in which they arrived.
    assert len({record.partition() for record in records if record.key() == b"ann"}) == 1
    assert metric(collector, "collector_events_total", outcome="accepted") == 302
    assert metric(collector, "collector_buffer_records_total", outcome="acknowledged") == 302
    assert metric(collector, "collector_buffer_queue_records") == 0
    assert owner.execute("select count(*) from events").fetchone() == (0,)


def test_what_is_refused_goes_to_its_own_topic(start, kafka, topic):
    collector = start()
    answer = post(collector, [event(), {"user_id": "ann"}])
    assert answer.status_code == 207
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (1, 1)
    answer = post(collector, {"user_id": ""})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_events")
    assert post(collector, event(), dry_run="true").json()["status"] == "valid"
    wait_until(lambda: metric(collector, "collector_rejections_kept_total") == 2, "refused events are sent")
    assert len(read_topic(kafka, topic)) == 1
    assert len(read_topic(kafka, f"{topic}.rejections")) == 2


def test_while_the_broker_is_stopped_events_are_refused_at_once_and_taken_again_after(start, kafka, topic):
    collector = start(STORE_SECONDS=5)
    (broker,) = kafka.brokers
    accepted = [
        sent for number in range(20) if post(collector, sent := event(user_id=f"user-{number}")).status_code == 202
    ]
    broker.stop(signal.SIGKILL)
    try:
        wait_until(lambda: ready(collector).status_code == 503, "it isn't ready")
        assert ready(collector).json()["code"] == "kafka_unavailable"
        refused = post(collector, event())
        assert (refused.status_code, refused.json()["code"]) == (503, "kafka_unavailable")
        assert refused.headers["Retry-After"] == "1"
    finally:
        kafka.start()
    wait_until(lambda: ready(collector).status_code == 200, "it is ready again")
    accepted += [
        sent for number in range(20) if post(collector, sent := event(user_id=f"user-{number}")).status_code == 202
    ]
    assert len(accepted) == 40
    found = {str(uuid.UUID(bytes=row.event_id)) for row in read_rows(kafka, topic)}
    assert {sent["event_id"] for sent in accepted} <= found


def test_a_broker_that_hangs_is_a_503_within_the_deadline(start, kafka, topic):
    collector = start(STORE_SECONDS=2)
    assert post(collector, event()).status_code == 202
    (broker,) = kafka.brokers
    broker.send(signal.SIGSTOP)
    try:
        answer = post(collector, event())
        assert (answer.status_code, answer.json()["code"]) == (503, "store_timeout")
        assert answer.headers["Retry-After"] == "1"
        assert requests.get(f"{collector.url}/livez", timeout=30).ok
    finally:
        broker.send(signal.SIGCONT)
    wait_until(lambda: post(collector, event()).status_code == 202, "events are accepted again")


def test_a_full_queue_is_a_503(start, kafka):
    collector = start(STORE_SECONDS=10, QUEUE_EVENTS=100)
    assert post(collector, event()).status_code == 202
    (broker,) = kafka.brokers
    broker.send(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(post, collector, [event() for _ in range(20)]) for _ in range(2)]
            wait_until(lambda: metric(collector, "collector_queue_events") == 40, "two requests wait")
            answer = post(collector, [event() for _ in range(20)])  # half of the queue is for other sources
            assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
    finally:
        broker.send(signal.SIGCONT)
    assert {answer.result().status_code for answer in waiting} <= {202, 503}


def test_at_its_end_everything_that_was_accepted_is_sent(start, kafka, topic):
    collector = start()
    with ThreadPoolExecutor(8) as pool:
        sent = [event(user_id=f"user-{number}") for number in range(200)]
        answers = [pool.submit(post, collector, one) for one in sent]
        wait_until(lambda: sum(answer.done() for answer in answers) > 20, "some are accepted")
        collector.process.send_signal(signal.SIGTERM)
        accepted = set()
        for one, answer in zip(sent, answers, strict=True):
            if answer.exception() is None and answer.result().status_code == 202:
                accepted.add(one["event_id"])
    assert collector.stop() == 0
    assert len(accepted) > 20
    assert accepted <= {str(uuid.UUID(bytes=row.event_id)) for row in read_rows(kafka, topic)}


def test_a_batch_that_the_topic_no_longer_takes_is_a_503(start, kafka, topic):
    collector = start()
    kafka.change_topic(topic, **{"max.message.bytes": 1000})
    answer = post(collector, event(properties={"text": secrets.token_hex(3000)}))
    assert (answer.status_code, answer.json()["code"]) == (503, "store_timeout")
    assert "MSG_SIZE_TOO_LARGE" in answer.json()["detail"]
    wait_until(
        lambda: metric(collector, "collector_buffer_errors_total", code="MSG_SIZE_TOO_LARGE") == 1, "it is counted"
    )


def test_it_starts_while_no_broker_answers_and_is_ready_when_one_does(start, kafka):
    (broker,) = kafka.brokers
    broker.stop()
    try:
        began = time.monotonic()
        collector = start(wait=False)
        wait_until(lambda: answers(collector), "it listens")
        assert time.monotonic() > began
        assert ready(collector).json()["code"] == "kafka_unavailable"
    finally:
        kafka.start()
    collector.wait_ready()
    assert post(collector, event()).status_code == 202


def answers(collector):
    try:
        return requests.get(f"{collector.url}/livez", timeout=5).ok
    except requests.RequestException:
        return False


def test_the_command_line_counts_what_is_accepted(start):
    with Client("collector", start().url) as client:
        outcome = deliver(client, [json.dumps(event()).encode() for _ in range(3)] + [b"{}"])
    assert (outcome.accepted, outcome.stored, list(outcome.errors)) == (3, 0, [3])
