"""PostgreSQL is stopped: events are accepted all the same, also by a collector that starts meanwhile."""

import uuid

import psycopg
import requests
from kafka_records import read_rows, read_topic, start_collector
from sites import make_source
from waiting import wait_until

from event_tracker.core.secrets.keys import make_key
from event_tracker.model.event_schemas import set_schema
from event_tracker.model.storing.rejection_record import read_rejection_record


def post(collector, key, body):
    headers = {"Authorization": f"Bearer {key}"}
    return requests.post(f"{collector.url}/events", json=body, headers=headers, timeout=60)


def event(**properties):
    return {"user_id": "ann", "event_type": "view", "event_id": str(uuid.uuid4()), "timestamp": "2026-03-01T12:00:00Z", "properties": properties}  # fmt: skip


def test_events_are_accepted_while_postgresql_is_stopped(kafka, own_postgres, start_service, tmp_path):
    topic = kafka.create_topic(f"events-{uuid.uuid4().hex}")
    kafka.create_topic(f"{topic}.rejections", 1)
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
        key = make_source(owner, "shop", [], rate_limit=1)
        set_schema(owner, "shop", "view", {"properties": {"page": {"type": "string"}}})
        owner.execute("update sources set schema_mode = 'enforce' where name = 'shop'")
    url, copy = own_postgres.url("events", "collector"), tmp_path / "copy"
    copy.mkdir()

    def start():
        return start_collector(start_service, kafka, topic, url, AUTH="required", SOURCE_COPY_FOLDER=copy)

    first = start()
    assert post(first, key, event(page="/")).status_code == 202
    wait_until(lambda: (copy / "sources.json").exists(), "the copy is written")
    own_postgres.stop()
    second = start()
    wait_until(lambda: post(second, key, event(page="/")).status_code == 202, "it knows the key")
    sent = []
    for collector in (first, second):
        one = event(page="/")
        answer = post(collector, key, [one, event(page=7)])
        assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (207, 1, 1)
        assert answer.json()["errors"][0]["code"] == "schema_violation"
        sent.append(one["event_id"])
        assert "RateLimit" in answer.headers
        assert post(collector, make_key("wk").key, event()).status_code == 503  # it may be new
        assert requests.get(f"{collector.url}/readyz", timeout=30).status_code == 200
        assert requests.get(f"{collector.url}/healthz", timeout=30).status_code == 503
    wait_until(lambda: len(read_topic(kafka, f"{topic}.rejections")) == 2, "refused events are in their topic")
    found = {str(uuid.UUID(bytes=row.event_id)) for row in read_rows(kafka, topic)}
    assert set(sent) <= found
    refused = [
        read_rejection_record(record.value(), record.headers()) for record in read_topic(kafka, f"{topic}.rejections")
    ]
    assert {(one.source, one.reason, one.user_id) for one in refused} == {("shop", "schema_violation", "ann")}
    own_postgres.start()
    wait_until(lambda: requests.get(f"{second.url}/healthz", timeout=30).status_code == 200, "it found the database")
