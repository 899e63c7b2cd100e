"""The storer on a real Kafka and a real PostgreSQL: what was acknowledged is stored once and counted once."""

import json
import signal

import psycopg
import pytest
import requests
from storers import Sender, check_books, committed, ends, is_all_committed, make_row, storers, wait_stored
from waiting import wait_until


@pytest.fixture
def topic(request, kafka):
    """The name of a new topic; also that of its group."""
    return kafka.create_topic(request.node.originalname.replace("_", "-")[:80] + f"-{id(request) % 10**6}", 6)


@pytest.fixture
def url(postgres, database):
    """The database, as its owner."""
    return postgres.url(database)


@pytest.fixture
def start(tmp_path, kafka, topic, postgres, database):
    """A function that starts a storer of the topic."""
    with storers(tmp_path, kafka, topic, postgres.url(database, "collector")) as start_storer:
        yield start_storer


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_records_are_stored_and_their_offsets_committed(kafka, topic, url, start, protocol):
    sender = Sender(kafka, topic)
    sender.send(3000)
    sender.send_row(make_row(7))  # it is there already
    storer = start(KAFKA_PROTOCOL=protocol)
    wait_stored(url, 3000)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check_books(url, sender.acknowledged)
    assert storer.metric("storer_records_total", outcome="stored") == 3000
    assert storer.metric("storer_records_total", outcome="duplicate") == 1
    assert storer.metric("storer_assigned_partitions") == 6
    wait_until(lambda: storer.metric("storer_lag_records") == 0, "no lag")
    assert storer.metric("storer_lag_seconds") == 0
    assert requests.get(f"{storer.url}/livez", timeout=30).status_code == 200
    assert storer.stop(signal.SIGTERM) == 0
    assert committed(kafka, topic) == ends(kafka, topic)
