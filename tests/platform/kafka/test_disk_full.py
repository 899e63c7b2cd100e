"""A broker's disk is full: no event is acknowledged that isn't kept, and all goes on when there is room."""

import subprocess
import uuid
from contextlib import contextmanager

import pytest
import requests
from clients import Clients
from kafka_cluster import kafka_cluster
from kafka_records import start_collector
from storers import check_books, is_all_committed, storers
from tools import not_checked
from waiting import wait_until

DISK_MIB = 96
"""Of the broker. Its indexes and the group's offsets take some 20 MiB."""

TOPIC = "events"


@contextmanager
def small_disk(folder):
    """A file system in memory, of DISK_MIB. Only root may mount one."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        not_checked(f"a small file system can't be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder):
        yield folder


@pytest.fixture
def small_broker(disk):
    with kafka_cluster(disk) as cluster:
        cluster.create_topic(f"{TOPIC}.rejections", 1)
        cluster.create_topic(TOPIC, 2)
        yield cluster


def fill(disk):
    """Leave nothing on the disk. Return the file that takes the room."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (2**20, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return ballast


def refusal(collector):
    """Post an event, which isn't accepted. Return the code of the answer."""
    event = {"user_id": "ann", "event_type": "view", "timestamp": "2026-03-01T10:00:00Z", "event_id": str(uuid.uuid4())}
    answer = requests.post(f"{collector.url}/events", json=event, timeout=60)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    return answer.json()["code"]


def test_a_broker_whose_disk_is_full_loses_nothing(small_broker, disk, tmp_path, postgres, database, start_service):
    url = postgres.url(database)
    as_collector = postgres.url(database, "collector")
    (broker,) = small_broker.brokers
    with storers(tmp_path, small_broker, TOPIC, as_collector) as start:
        storer = start()
        collector = start_collector(start_service, small_broker, TOPIC, as_collector, STORE_SECONDS=5)
        with Clients([collector.url], threads=4) as clients:
            clients.wait_acknowledged(200)
            ballast = fill(disk)
            wait_until(lambda: 503 in clients.statuses, "events are refused", 120)
            wait_until(lambda: broker.process.poll() is not None, "the broker ends", 120)
            wait_until(lambda: refusal(collector) == "kafka_unavailable", "it knows that no broker is there")
            ballast.unlink()
            small_broker.start()
            clients.wait_acknowledged(200, 120)
        wait_until(lambda: is_all_committed(small_broker, TOPIC), "all offsets committed", 120)
        assert storer.process.poll() is None
        assert clients.lost == []
        check_books(url, clients.acknowledged)
