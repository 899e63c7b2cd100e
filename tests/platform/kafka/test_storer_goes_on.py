"""A storer that is hindered goes on: nothing is lost, and nothing is stored twice."""

import os
import signal

import psycopg
import requests
from kafka_cluster import ANSWER_SECONDS
from ports import free_port
from storers import Sender, check_books, is_all_committed, make_row, wait_stored
from waiting import wait_until

WAITING = "select count(*) from pg_stat_activity where application_name = 'storer' and wait_event_type = 'Lock'"


def members(kafka, group) -> int:
    """How many members a group has."""
    (future,) = kafka.admin.describe_consumer_groups([group]).values()
    return len(future.result(ANSWER_SECONDS).members)


def test_a_storer_that_loses_its_partitions_while_it_stores_counts_that_and_goes_on(kafka, topic, url, owner, start):
    sender = Sender(kafka, topic)
    storer = start()
    with psycopg.connect(url) as holder:
        holder.execute("lock table events in access exclusive mode")
        sender.send(200)
        wait_until(lambda: owner.execute(WAITING).fetchone() == (1,), "it stores")
        os.killpg(storer.process.pid, signal.SIGSTOP)
        wait_until(lambda: members(kafka, topic) == 0, "it is no member any more")
        holder.rollback()
    os.killpg(storer.process.pid, signal.SIGCONT)
    wait_stored(url, 200)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    assert storer.metric("storer_offset_commit_failures_total") >= 1
    assert storer.metric("storer_rebalances_total", kind="lost") >= 1
    check_books(url, sender.acknowledged)
    assert storer.process.poll() is None


def test_a_statement_that_takes_too_long_is_tried_again(kafka, topic, url, start):
    sender = Sender(kafka, topic)
    storer = start(STATEMENT_SECONDS=0.5)
    with psycopg.connect(url) as holder:
        holder.execute("lock table events in access exclusive mode")
        sender.send(200)
        wait_until(lambda: storer.metric("storer_paused") == 1, "it waits")
        assert requests.get(f"{storer.url}/livez", timeout=30).status_code == 200
        holder.rollback()
    wait_stored(url, 200)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    assert storer.metric("storer_paused") == 0
    assert storer.metric("storer_rebalances_total", kind="assigned") == 1
    check_books(url, sender.acknowledged)


def test_what_is_kept_of_an_event_can_be_replayed(kafka, topic, url, owner, start, collector):
    """The collector repairs what PostgreSQL refuses: U+0000 becomes U+FFFD."""
    sender = Sender(kafka, topic)
    sender.send_row(make_row(7, properties=b'{"a":"\\u0000"}'))
    start()
    wait_until(lambda: owner.execute("select reason from rejections").fetchall() == [("not_storable",)], "it is kept")
    owner.execute("update rejections set replay_requested_at = now()")
    wait_stored(url, 1)
    wait_until(lambda: owner.execute("select count(*) from rejections").fetchone() == (0,), "it is kept no more")
    assert owner.execute("select properties->>'a' from events").fetchone() == ("\ufffd",)
    check_books(url, sender.acknowledged)


def test_it_waits_for_brokers_and_says_that_it_is_alive(start):
    storer = start(wait=False, KAFKA_BROKERS=f"127.0.0.1:{free_port()}")
    wait_until(lambda: "waits for Kafka" in storer.log.read_text(), "it waits")
    assert requests.get(f"{storer.url}/livez", timeout=30).status_code == 200
    assert requests.get(f"{storer.url}/readyz", timeout=30).status_code == 503
    assert storer.stop() == 0


def test_it_waits_for_brokers_that_hang_up_and_names_the_setting(kafka, start):
    """They want TLS; but a proxy before brokers that start does the same."""
    storer = start(wait=False, KAFKA_BROKERS=kafka.secure_servers)
    wait_until(lambda: "KAFKA_SECURITY" in storer.log.read_text(), "it says why it waits")
    assert requests.get(f"{storer.url}/livez", timeout=30).status_code == 200
    assert storer.stop() == 0
