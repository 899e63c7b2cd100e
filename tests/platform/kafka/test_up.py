"""`tracker up --kafka`: events go through a broker and a storer on this machine."""

import json
import sys

import click
import pytest
import requests
from click.testing import CliRunner
from confluent_kafka import Consumer
from kafka_jars import kafka_jars
from ports import free_port
from stack_up import Up
from waiting import wait_until

from event_tracker.cli.local.kafka import published_topics
from event_tracker.cli.local.kafka_jars import require_programs
from event_tracker.cli.local.up import up as up_command


@pytest.fixture
def data(tmp_path):
    """A data folder that has Kafka's jars, so that they needn't be fetched again."""
    kafka = tmp_path / "data" / "kafka"
    kafka.mkdir(parents=True)
    jars = kafka_jars()
    (kafka / jars.name).symlink_to(jars)
    return kafka.parent


def count(up: Up) -> int:
    return len(requests.get(f"{up.query}/events", params={"user_id": "ann"}, timeout=30).json()["events"])


def test_what_is_sent_is_accepted_and_stored(data, tmp_path):
    up = Up(data, "--kafka", f"--kafka-port={free_port()}", cwd=tmp_path)
    try:
        up.wait_ready()
        events = [{"user_id": "ann", "event_type": "view"} for _ in range(10)]
        answer = requests.post(f"{up.collector}/events", json=events, timeout=30)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 10)
        wait_until(lambda: count(up) == 10, "it is stored")
    finally:
        assert up.stop() == 0
    assert '"stops"' in (data / "logs" / "storer.log").read_text()


def test_with_publish_what_is_stored_is_in_the_topics(data, tmp_path):
    port = free_port()
    filtered = {"PUBLISH_FILTERED": "analytics.clicks:click"}
    up = Up(data, "--kafka", f"--kafka-port={port}", "--publish", cwd=tmp_path, **filtered)
    consumer = Consumer(
        {"bootstrap.servers": f"127.0.0.1:{port}", "group.id": "reader", "auto.offset.reset": "earliest"}
    )
    try:
        up.wait_ready()
        events = [{"user_id": "ann", "event_type": event_type} for event_type in ("view", "click", "view")]
        assert requests.post(f"{up.collector}/events", json=events, timeout=30).status_code == 202
        consumer.subscribe(["analytics.stored", "analytics.clicks"])
        read: list[tuple[str, str]] = []

        def read_more() -> bool:
            message = consumer.poll(1)
            if message is not None and message.error() is None:
                read.append((message.topic(), json.loads(message.value())["event_type"]))
            return len(read) == 4

        wait_until(read_more, "all are published", seconds=180)
        assert sorted(read) == [
            ("analytics.clicks", "click"),
            *[("analytics.stored", event_type) for event_type in ("click", "view", "view")],
        ]
    finally:
        consumer.close()
        assert up.stop() == 0
    assert '"stops"' in (data / "logs" / "publisher.log").read_text()


def test_nothing_is_published_without_kafka(tmp_path):
    result = CliRunner().invoke(up_command, ["--data", str(tmp_path / "data"), "--publish"])
    assert (result.exit_code, "--publish needs --kafka" in result.output) == (2, True)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("filtered", "topics"),
    [
        ("", ["stored"]),
        ("views:view, views:page_view,clicks:click", ["stored", "views", "clicks"]),
    ],
)
def test_each_topic_that_is_published_is_made_once(filtered, topics):
    assert published_topics({"PUBLISH_TOPIC": "stored", "PUBLISH_FILTERED": filtered}) == topics


@pytest.mark.parametrize("missing", ["java", "mvn"])
def test_without_java_or_maven_it_says_so(tmp_path, monkeypatch, missing):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in {"java", "mvn"} - {missing}:
        (folder / name).symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(click.ClickException, match=f"there is no {missing} on the PATH"):
        require_programs()
