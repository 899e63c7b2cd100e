"""Who is erased while their events wait in the topic doesn't come back: not when a storer comes, and not by a replay."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest
import requests
from commands import run_tracker
from confluent_kafka import Producer
from kafka_records import start_collector
from storers import Sender, committed, ends, is_all_committed, make_row, wait_stored
from waiting import wait_until
from world import World

from event_tracker.model.storing.record import make_record

LONG_AGO = "2026-01-01T00:00:00Z"
KEEP = timedelta(days=14, hours=1)
"""How long a record is in a topic of the brokers' defaults: retention and a segment of seven days each, and the deletion."""


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def tracker(kafka, topic, url):
    """A function that runs `tracker`."""

    def run(*arguments: str, **settings: str):
        environment = {
            **os.environ, "KAFKA_BROKERS": kafka.servers, "KAFKA_TOPIC": topic, "KAFKA_REJECTIONS_TOPIC": f"{topic}.rejections",
            "KAFKA_GROUP": topic, "KAFKA_SINGLE": "true", "DATABASE_URL": url, **settings,
        }  # fmt: skip
        return run_tracker(*arguments, environment=environment)

    return run


@pytest.fixture
def replay(tracker):
    """A function that replays, and returns the outcomes."""

    def run(*arguments: str, start: str = LONG_AGO):
        done = tracker("topics", "replay", "--from", start, "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def outcomes(**numbers):
    return dict.fromkeys(("stored", "duplicate", "expired", "erased", "unreadable", "refused"), 0) | numbers


def an_event(user_id: str, number: int) -> dict[str, object]:
    return {"user_id": user_id, "event_type": "view", "properties": {"number": number, "of": user_id}}


def find_everywhere(owner: psycopg.Connection, text: str) -> list[str]:
    """The tables that have this text somewhere in a row."""
    tables = owner.execute(
        """select c.oid::regclass::text from pg_class as c
           where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1"""
    ).fetchall()
    found = []
    for (table,) in tables:
        statement = f"select exists (select from {table} as t where strpos(t::text, %s) > 0 or strpos(t::text, %s) > 0)"
        if owner.execute(statement.encode(), [text, text.encode().hex()]).fetchone() == (True,):
            found.append(table)
    return found


def count(owner):
    rows = owner.execute("select user_id, count(*), count(distinct event_id) from events group by 1 order by 1")
    return rows.fetchall()


def test_who_is_erased_while_their_events_wait_does_not_come_back(
    kafka, topic, world, owner, start, start_service, replay, tmp_path, postgres, database
):
    collector = start_collector(start_service, kafka, topic, postgres.url(database, "collector"))
    start().stop()  # a storer was here once
    events = [an_event(user_id, number) for number in range(20) for user_id in ("ann-the-erased", "bob")]
    answer = requests.post(f"{collector.url}/events", json=events, timeout=60)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 40)
    requests.post(f"{collector.url}/events", json={"user_id": "ann-the-erased"}, timeout=60)  # refused
    wait_until(lambda: ends(kafka, f"{topic}.rejections") == {0: 1}, "the refused event is in its topic")
    before = datetime.now(UTC)
    erased = world.erase("ann-the-erased").json()
    assert erased["counts"]["events"] == 0
    for one, name in zip(erased["copies"], (topic, f"{topic}.rejections"), strict=True):
        assert one["place"] == f"topic {name}"
        assert timedelta(0) <= datetime.fromisoformat(one["until"]) - before - KEEP < timedelta(minutes=1)
    storer = start()
    wait_stored(owner.info.dsn, 20)
    wait_until(
        lambda: is_all_committed(kafka, topic) and is_all_committed(kafka, f"{topic}.rejections", topic), "all is read"
    )
    assert storer.metric("storer_records_total", outcome="erased") == 21
    assert count(owner) == [("bob", 20, 20)]
    assert find_everywhere(owner, "ann-the-erased") == []
    assert "ann-the-erased" not in storer.log.read_text()
    assert replay() == outcomes(duplicate=20, erased=20)
    assert count(owner) == [("bob", 20, 20)]
    assert find_everywhere(owner, "ann-the-erased") == []
    # What comes afterwards is stored.
    requests.post(f"{collector.url}/events", json=an_event("ann-the-erased", 99), timeout=60).raise_for_status()
    wait_stored(owner.info.dsn, 21)
    assert replay() == outcomes(duplicate=21, erased=20)
    assert count(owner) == [("ann-the-erased", 1, 1), ("bob", 20, 20)]


def test_a_group_that_reads_all_again_brings_nobody_back(kafka, topic, world, owner, start, tracker):
    sender = Sender(kafka, topic)
    sender.send(300)
    storer = start()
    wait_stored(owner.info.dsn, 300)
    wait_until(lambda: is_all_committed(kafka, topic), "all is read")
    storer.stop()
    assert world.erase("user-3").json()["counts"]["events"] == 4
    wait_until(lambda: tracker("topics", "init", "--from", LONG_AGO).returncode == 0, "the group has no members")
    assert sum(committed(kafka, topic).values()) == 0
    start()
    wait_until(lambda: is_all_committed(kafka, topic), "all is read again")
    assert owner.execute("select count(*), count(*) filter (where user_id = 'user-3') from events").fetchone() == (
        296,
        0,
    )


def test_a_replay_stores_what_is_missing_once(kafka, topic, owner, start, replay):
    start().stop()
    sender = Sender(kafka, topic)
    sender.send(5000)
    sender.send_record(b"{", key=b"x", headers=[("v", b"1")])
    sender.send_row(make_row(9, user_id="nul", properties=b'{"a": "\\u0000"}'))
    first = replay()
    assert first == outcomes(stored=5000, unreadable=1, refused=1)
    assert replay() == outcomes(duplicate=5000, unreadable=1, refused=1)
    owner.execute("delete from events where user_id = 'user-3'")
    assert replay()["stored"] == 52
    assert owner.execute("select count(*), count(distinct event_id) from events").fetchone() == (5000, 5000)
    assert committed(kafka, topic) == {}


def test_a_replay_that_ends_says_where_to_go_on(kafka, topic, owner, start, tracker, replay):
    start().stop()
    Sender(kafka, topic).send(5000)
    owner.execute(  # all but the first batch
        """create function refuse() returns trigger language plpgsql as $$
           begin
             if exists (select from events) then raise exception 'no' using errcode = 'admin_shutdown'; end if;
             return null;
           end $$"""
    )
    owner.execute("create trigger refuse before insert on events for each statement execute function refuse()")
    ended = tracker("topics", "replay", "--from", LONG_AGO)
    assert ended.returncode == 1
    ((before,),) = owner.execute("select count(*) from events").fetchall()
    assert 0 < before < 5000
    assert f"{before:,} stored" in ended.stderr
    (resumption,) = re.findall("Go on with --from (.+)", ended.stderr)
    owner.execute("drop trigger refuse on events")
    assert replay(start=resumption)["stored"] == 5000 - before
    assert owner.execute("select count(*), count(distinct event_id) from events").fetchone() == (5000, 5000)


def test_a_replay_ends_where_transactions_do(kafka, topic, start, replay):
    """Their ends take an offset each, and are no records."""
    start().stop()
    producer = Producer(kafka.client(**{"transactional.id": topic}))
    producer.init_transactions(60)
    producer.begin_transaction()
    for number in range(20):
        record = make_record(make_row(number), "test")
        producer.produce(topic, record.value, key=record.key, headers=record.headers)
    producer.commit_transaction(60)
    # The brokers write its ends into the partitions after they have answered.
    wait_until(lambda: sum(ends(kafka, topic).values()) > 20, "the transaction has ended")
    assert replay() == outcomes(stored=20)


def test_an_event_of_another_version_ends_a_replay(kafka, topic, start, tracker):
    start().stop()
    record = make_record(make_row(1), "test")
    Sender(kafka, topic).send_record(record.value, key=record.key, headers=[("v", b"2")])
    ended = tracker("topics", "replay", "--from", LONG_AGO)
    assert ended.returncode == 1
    assert "it is 2. Use a `tracker` of the collectors' release." in ended.stderr


def test_a_replay_reads_what_was_written_between_two_times(kafka, topic, start, replay):
    start().stop()
    sender = Sender(kafka, topic)
    sender.send(100)
    between = datetime.now(UTC) + timedelta(milliseconds=1)
    wait_until(lambda: datetime.now(UTC) > between, "a later millisecond")
    sender.send(50)
    assert replay("--to", between.isoformat())["stored"] == 100
    assert replay(start=between.isoformat())["stored"] == 50
    assert sum(replay(start=datetime.now(UTC).isoformat()).values()) == 0


def test_a_topic_of_which_nothing_is_known_is_refused_and_then_what_is_older(
    kafka, topic, owner, start, tracker, replay
):
    sender = Sender(kafka, topic)
    sender.send(10)
    refused = tracker("topics", "replay", "--from", LONG_AGO)
    assert refused.returncode == 1
    assert f"No storer has read the topic {topic}" in refused.stderr
    start()
    wait_stored(owner.info.dsn, 10)
    refused = tracker("topics", "replay", "--from", LONG_AGO)
    assert "Replay only what is written from now on" in refused.stderr
    sender.send(300)
    refused = tracker("topics", "replay", "--from", LONG_AGO)
    assert refused.returncode == 1
    (start_at,) = [word.rstrip(".") for word in refused.stderr.split() if word.startswith("20")]
    assert sum(replay(start=start_at).values()) <= 300


def test_simulated_events_go_straight_to_the_topic(kafka, topic, world, owner, start, tracker, tmp_path):
    start()
    truth = tmp_path / "truth.json"
    options = (
        "--scenario",
        "shop",
        "--users",
        "60",
        "--days",
        "14",
        "--end",
        "2026-03-20T00:00:00Z",
        "--truth",
        str(truth),
    )
    sent = tracker("simulate", "--to", "kafka", *options)
    assert sent.returncode == 0, sent.stderr
    facts = json.loads(truth.read_text())["facts"]["events"]
    assert f"{facts['sent']:,} accepted" in sent.stdout
    wait_until(lambda: is_all_committed(kafka, topic), "all is stored")
    verify = partial(tracker, "verify", str(truth), QUERY_URL=world.query.url)
    token = world.admin()["Authorization"].removeprefix("Bearer ")
    done = verify(API_TOKEN=token)
    assert done.returncode == 0, done.stdout + done.stderr
