"""Events that compress well are many times as large in memory as on their way: a storer stays within its bound all the same."""

import re
from pathlib import Path

from storers import Sender, make_row, storers, wait_stored

MAX_MIB = 300
"""Of a storer's container, 640 MiB: the rest is for the answers of more brokers, of some 35 MiB each with these events."""

PARTITIONS = 48
EVENTS = 9_000
PROPERTIES = b'{"text":"%b"}' % (b"x" * 60 * 1024)
AS_COLLECTORS = {"compression.type": "lz4", "batch.size": 900_000}


def peak_mib(process):
    """The most memory that a process has had."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def test_a_backlog_of_events_that_compress_well(kafka, tmp_path, postgres, database):
    url = postgres.url(database)
    kafka.create_topic("compressible.rejections", 1)
    topic = kafka.create_topic("compressible", PARTITIONS)
    sender = Sender(kafka, topic, **AS_COLLECTORS)
    sender.send_rows(make_row(number, user_id=f"user-{number}", properties=PROPERTIES) for number in range(EVENTS))
    assert len(sender.acknowledged) == EVENTS
    with storers(tmp_path, kafka, topic, postgres.url(database, "collector")) as start:
        storer = start()
        wait_stored(url, EVENTS // 3, 240)
        assert peak_mib(storer.process) < MAX_MIB
        assert storer.stop() == 0
