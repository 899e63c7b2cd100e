"""`tracker topics` on a real Kafka."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from commands import run_tracker
from storers import Sender, committed, ends, is_all_committed, make_row, wait_stored
from waiting import wait_until


@pytest.fixture
def tracker(kafka, topic):
    """A function that runs `tracker topics` and returns what it printed."""

    def run(*arguments: str, code: int = 0, **settings: str) -> str:
        environment = {
            **os.environ, "KAFKA_BROKERS": kafka.servers, "KAFKA_TOPIC": topic, "KAFKA_REJECTIONS_TOPIC": f"{topic}.rejections",
            "KAFKA_GROUP": topic, **settings,
        }  # fmt: skip
        done = run_tracker("topics", *arguments, environment=environment)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    return run


def read(printed: str) -> list[dict]:
    return [json.loads(line) for line in printed.splitlines()]


def test_topics_are_listed_and_described(kafka, topic, tracker):
    Sender(kafka, topic).send(20)
    (listed,) = [one for one in read(tracker("list", "--json")) if one["name"] == topic]
    assert listed == {"name": topic, "partitions": 6, "replicas": 1, "records": 20}
    described = read(tracker("describe", "--json"))
    assert described[0] == listed
    assert {"option": "min.insync.replicas", "value": "1"} in described
    assert "UNKNOWN_TOPIC_OR_PART" in tracker("describe", "nowhere", code=1)


def test_the_newest_records_are_printed(kafka, topic, tracker):
    sender = Sender(kafka, topic)
    sender.send(30)
    records = read(tracker("consume", "--limit", "5"))
    assert len(records) == 5
    assert all(json.loads(record["value"])["user_id"] == record["key"] for record in records)
    assert len(read(tracker("consume", "--limit", "100"))) == 30
    assert tracker("consume", f"{topic}.rejections") == ""


def test_the_lag_is_that_of_the_group(kafka, topic, url, start, tracker):
    sender = Sender(kafka, topic)
    sender.send(50)
    before = read(tracker("lag", "--json"))
    assert len(before) == 7
    assert sum(one["waiting"] for one in before) == 50
    assert all(one["committed"] is None for one in before)
    assert all((one["oldest"] is not None) == (one["waiting"] > 0) for one in before)
    assert "50 records wait" in tracker("lag")
    start()
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    assert "0 records wait" in tracker("lag")


def test_topics_are_made_once(kafka, topic, tracker):
    names = {"KAFKA_TOPIC": f"{topic}.new", "KAFKA_REJECTIONS_TOPIC": f"{topic}.new.rejections"}
    assert tracker("init", "--partitions", "4", "--replicas", "1", **names).count(": made") == 2
    assert tracker("init", "--partitions", "9", "--replicas", "1", **names).count("is there already") == 2
    assert f"{topic}.also: made" in tracker("init", "--also", f"{topic}.also", "--replicas", "1", **names)
    assert len(kafka.admin.list_topics(f"{topic}.new", timeout=30).topics[f"{topic}.new"].partitions) == 4
    refused = kafka.admin.list_topics(f"{topic}.new.rejections", timeout=30).topics[f"{topic}.new.rejections"]
    assert len(refused.partitions) == 3
    assert "INVALID_REPLICATION_FACTOR" in tracker("init", code=1, KAFKA_TOPIC=f"{topic}.other")


def test_where_a_group_starts_is_set_while_no_storer_runs(kafka, topic, url, start, tracker):
    sender = Sender(kafka, topic)
    sender.send(60)
    storer = start()
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    assert "stop its storers first" in tracker("init", "--from", "earliest", code=1)
    assert storer.stop() == 0
    for start_at in ("earliest", "latest"):  # what is stored isn't read again
        tracker("init", "--from", start_at)
        assert committed(kafka, topic) == ends(kafka, topic)
    tracker("init", "--from", (datetime.now(UTC) - timedelta(hours=1)).isoformat())
    assert set(committed(kafka, topic).values()) == {0}
    sender.send_row(make_row(1000))
    successor = start()
    wait_stored(url, 61)
    wait_until(lambda: successor.metric("storer_records_total", outcome="duplicate") == 60, "duplicates")
    for wrong in ("yesterday", "2026-11-01T00:00:00"):
        assert "a time with an offset" in tracker("init", "--from", wrong, code=2)


def test_without_brokers_it_says_so(tracker):
    assert "KAFKA_BROKERS" in tracker("list", code=2, KAFKA_BROKERS="")
