"""To Kafka and back under load, by the steps of docs/kafka.md: nothing that was acknowledged is lost, and nothing is stored twice."""

import json
import os
import uuid
from collections import Counter

import psycopg
import pytest
import requests
from clients import Clients
from commands import run_tracker
from kafka_records import start_collector
from ports import free_port
from storers import check_books, ends
from waiting import wait_until

EACH = 60
"""Events that clients get acknowledged between two steps."""

CLIENTS = 4

STORED = (200, 201)
"""Answers of a collector without Kafka: the event was stored before, or is now."""


class Pair:
    """Two collectors, each of which is replaced by one with other settings on the same port.

    Args:
        start: starts a collector of PostgreSQL alone, or with Kafka.
    """

    def __init__(self, start_direct, start_kafka):
        self._starts = {False: start_direct, True: start_kafka}
        self.ports = [free_port(), free_port()]
        self.collectors = [start_direct(PORT=port) for port in self.ports]

    @property
    def urls(self):
        return [collector.url for collector in self.collectors]

    def replace(self, number, *, kafka):
        assert self.collectors[number].stop() == 0
        self.collectors[number] = self._starts[kafka](PORT=self.ports[number])


@pytest.fixture
def pair(start_service, kafka, topic, postgres, database):
    url = postgres.url(database, "collector")
    return Pair(
        lambda **settings: start_service("collector", DATABASE_URL=url, **settings),
        lambda **settings: start_collector(start_service, kafka, topic, url, **settings),
    )


def post(url, event):
    return requests.post(f"{url}/events", json=event, timeout=60).status_code


def count_waiting(kafka, topic):
    """The records that wait for the storers, as `tracker topics lag` says it."""
    names = {"KAFKA_TOPIC": topic, "KAFKA_REJECTIONS_TOPIC": f"{topic}.rejections", "KAFKA_GROUP": topic}
    done = run_tracker("topics", "lag", "--json", environment={**os.environ, "KAFKA_BROKERS": kafka.servers, **names})
    assert done.returncode == 0, done.stderr
    return sum(json.loads(line)["waiting"] for line in done.stdout.splitlines())


def events_by_user(url):
    with psycopg.connect(url) as connection:
        return Counter(dict(connection.execute("select user_id, count(*) from events group by 1").fetchall()))


def counted_events(url):
    with psycopg.connect(url) as connection:
        return Counter(dict(connection.execute("select event_type, sum(count)::bigint from event_counts group by 1")))


def test_collectors_go_to_kafka_and_back_one_by_one_under_load(pair, kafka, topic, url, start):
    both = {"user_id": "ann", "event_type": "both", "timestamp": "2026-03-01T10:00:00Z", "event_id": str(uuid.uuid4())}
    with Clients(pair.urls, threads=CLIENTS) as clients:
        clients.wait_acknowledged(EACH)
        storer = start()
        pair.replace(0, kafka=True)
        # It went to one way, its answer was lost, and it is sent again the other way.
        assert post(pair.urls[0], both) == 202
        assert post(pair.urls[1], both) in STORED
        clients.wait_acknowledged(EACH)
        pair.replace(1, kafka=True)
        clients.wait_acknowledged(EACH)
        there = sum(ends(kafka, topic).values())
        pair.replace(0, kafka=False)
        assert post(pair.urls[0], both) in STORED
        clients.wait_acknowledged(EACH)
        pair.replace(1, kafka=False)
        wait_until(lambda: count_waiting(kafka, topic) == 0, "nothing waits for the storer")
        assert storer.stop() == 0
        clients.wait_acknowledged(EACH)
    assert there >= EACH
    assert clients.lost == []
    check_books(url, clients.acknowledged)
    assert events_by_user(url) == clients.by_user + Counter(ann=1)
    assert counted_events(url) == Counter(load=len(clients.acknowledged), both=1)
