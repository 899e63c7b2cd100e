"""`tracker up --kafka`: events go through a broker and a storer on this machine."""

import sys

import click
import pytest
import requests
from kafka_jars import kafka_jars
from ports import free_port
from stack_up import Up
from waiting import wait_until

from event_tracker.cli.local.kafka_jars import require_programs


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


@pytest.mark.parametrize("missing", ["java", "mvn"])
def test_without_java_or_maven_it_says_so(tmp_path, monkeypatch, missing):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in {"java", "mvn"} - {missing}:
        (folder / name).symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(click.ClickException, match=f"there is no {missing} on the PATH"):
        require_programs()
