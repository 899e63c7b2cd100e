"""The storer on a real Kafka and a real PostgreSQL: what was acknowledged is stored once and counted once."""

import json
import os
import signal
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
import requests
from storers import Sender, check_books, committed, ends, is_all_committed, make_row, storers, wait_stored
from waiting import wait_until

from event_tracker.model.storing.keep_rejections import NewRejection
from event_tracker.model.storing.rejection_record import make_rejection_record

KILLS = int(os.environ.get("KAFKA_KILLS", "3"))
"""How often a storer is killed; CONTRIBUTING.md has the command for more."""


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
    assert storer.metric("storer_assigned_partitions") == 7  # that of refused events, too
    wait_until(lambda: storer.metric("storer_lag_records") == 0, "no lag")
    assert storer.metric("storer_lag_seconds") == 0
    assert requests.get(f"{storer.url}/livez", timeout=30).status_code == 200
    assert storer.stop(signal.SIGTERM) == 0
    assert committed(kafka, topic) == ends(kafka, topic)


def test_a_killed_storer_loses_nothing_and_doubles_nothing(kafka, topic, url, start):
    sender = Sender(kafka, topic)
    settings = {"GROUP_EVENTS": 100}  # many statements, so that it is killed within one
    with sender.sending(each=20):
        for kill in range(1, KILLS + 1):
            storer = start(**settings)
            wait_stored(url, kill * 400)
            storer.kill()
            check_books(url, set())
    start(**settings)
    wait_stored(url, len(sender.acknowledged))
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check_books(url, sender.acknowledged)


def test_a_storer_killed_between_its_commit_and_that_of_the_offsets_stores_nothing_twice(
    kafka, topic, url, owner, start
):
    waiting = "select count(*) from pg_stat_activity where application_name = 'storer' and wait_event_type = 'Lock'"
    sender = Sender(kafka, topic)
    storer = start()
    sender.send(10)
    wait_until(lambda: is_all_committed(kafka, topic), "the first offsets committed")
    before = committed(kafka, topic)
    owner.execute(
        "create function wait() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock_shared(7); return null; end $$"
    )
    owner.execute(
        "create constraint trigger wait after insert or update on users deferrable initially deferred for each row execute function wait()"
    )
    with psycopg.connect(url) as holder:
        holder.execute("select pg_advisory_xact_lock(7)")
        sender.send(500)
        wait_until(lambda: owner.execute(waiting).fetchone() == (1,), "it waits in its COMMIT")
        os.killpg(storer.process.pid, signal.SIGSTOP)
        holder.rollback()
    wait_until(lambda: owner.execute("select count(*) from events").fetchone() > (10,), "its COMMIT")
    storer.kill()
    ((stored,),) = owner.execute("select count(*) from events").fetchall()
    assert committed(kafka, topic) == before
    successor = start()
    wait_stored(url, 510)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check_books(url, sender.acknowledged)
    assert successor.metric("storer_records_total", outcome="duplicate") == stored - 10


def test_while_postgresql_is_stopped_it_keeps_its_partitions_and_loses_nothing(tmp_path, kafka, topic, own_postgres):
    url = own_postgres.url("events")
    sender = Sender(kafka, topic)
    with storers(tmp_path, kafka, topic, own_postgres.url("events", "collector")) as start:
        storer = start()
        with sender.sending(each=100):
            wait_stored(url, 300)
            own_postgres.stop("immediate")
            wait_until(lambda: storer.metric("storer_paused") == 1, "it reads nothing")
            wait_until(lambda: storer.metric("storer_lag_records") > 0, "the lag in records")
            wait_until(lambda: storer.metric("storer_lag_seconds") > 5, "the lag in seconds")
            assert requests.get(f"{storer.url}/livez", timeout=30).status_code == 200
            own_postgres.start()
            wait_until(lambda: storer.metric("storer_paused") == 0, "it reads again")
        wait_stored(url, len(sender.acknowledged))
        check_books(url, sender.acknowledged)
        assert storer.metric("storer_rebalances_total") == 1
        own_postgres.stop()
        sender.send(50)
        wait_until(lambda: storer.metric("storer_paused") == 1, "it reads nothing")
        assert storer.stop(signal.SIGTERM) == 0  # it leaves what it can't store
        own_postgres.start()
        start()
        wait_stored(url, len(sender.acknowledged))
        check_books(url, sender.acknowledged)


POISON = [
    ("not JSON", b"{", [("v", b"1")], "unreadable_record"),
    ("a tombstone", None, [("v", b"1")], "unreadable_record"),
    ("no version", b"{}", [("trace", b"x")], "unreadable_record"),
]


def test_records_that_cannot_be_stored_are_kept_as_refused_events_and_their_neighbours_stored(
    kafka, topic, url, owner, start
):
    sender = Sender(kafka, topic)
    sender.send(500)
    for _, value, headers, _ in POISON:
        sender.send_record(value, key=b"ann", headers=headers)
    long, nul, late = (make_row(number) for number in (90_001, 90_002, 90_003))
    record = make_row(90_004)
    sender.send_row(make_row(90_001, user_id="u" * 300))
    sender.send_row(make_row(90_002, properties=b'{"a":"\\u0000"}'))
    sender.send_row(make_row(90_003, timestamp=late.timestamp.replace(year=2999)))
    sender.acknowledged -= {str(UUID(bytes=row.event_id)) for row in (long, nul, late)}
    sender.send_row(record)
    sender.send(500)
    storer = start()
    wait_stored(url, 1001)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check_books(url, sender.acknowledged)
    kept = owner.execute(
        "select reason, count(*), count(user_id), bool_and(is_whole) from rejections group by 1"
    ).fetchall()
    assert sorted(kept) == [
        ("not_storable", 1, 1, True),
        ("timestamp_in_future", 1, 1, True),
        ("unreadable_record", 4, 3, True),  # a user's id of 300 characters isn't kept
    ]
    assert storer.metric("storer_records_total", outcome="dead") == 6
    ((payload,),) = owner.execute("select payload from rejections where reason = 'not_storable'").fetchall()
    assert json.loads(payload).keys() == {"user_id", "event_type", "timestamp", "event_id", "properties"}


def test_two_storers_divide_the_partitions(kafka, topic, url, start):
    sender = Sender(kafka, topic)
    first = start()
    with sender.sending(each=100):
        second = start()
        wait_until(lambda: second.metric("storer_assigned_partitions") >= 3, "half of the partitions")
        wait_until(lambda: second.metric("storer_records_total", outcome="stored") > 200, "records of the second")
        assert first.metric("storer_assigned_partitions") + second.metric("storer_assigned_partitions") == 7
        assert first.stop(signal.SIGTERM) == 0
        wait_until(lambda: second.metric("storer_assigned_partitions") == 7, "all partitions")
    wait_stored(url, len(sender.acknowledged))
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check_books(url, sender.acknowledged)


def test_events_that_collectors_refused_are_kept(kafka, topic, owner, start):
    sender = Sender(kafka, f"{topic}.rejections")
    refused = [
        NewRejection(
            UUID(int=0x018F << 112 | 7 << 76 | 2 << 62 | number), "default", datetime.now(UTC), "required",
            [{"pointer": "/user_id", "code": "required", "detail": "It is missing."}], "view", None, b'{"event_type":"view"}', True,
        )
        for number in range(20)
    ]  # fmt: skip
    for one in [*refused, refused[0]]:
        record = make_rejection_record(one)
        sender.send_record(record.value, key=record.key, headers=record.headers)
    sender.send_record(b"[]", headers=[("v", b"1")])
    foreign = make_rejection_record(refused[0]._replace(id=UUID(int=7), event_type="\0"))
    sender.send_record(foreign.value, headers=foreign.headers)
    storer = start()
    wait_until(lambda: owner.execute("select count(*) from rejections").fetchone() == (22,), "they are kept")
    kept = owner.execute("select payload, detail from rejections where id = %s", [refused[3].id]).fetchone()
    assert kept == (refused[3].payload, refused[3].detail)
    assert owner.execute("select count(*) from rejections where reason = 'unreadable_record'").fetchone() == (2,)
    wait_until(lambda: storer.metric("storer_records_total", outcome="rejection") == 22, "they are counted")
    assert storer.metric("storer_records_total", outcome="dead") == 1
