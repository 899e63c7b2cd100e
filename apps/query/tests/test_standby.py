"""Answers from a standby say how recent they are, however far it lags."""

import signal
from datetime import datetime, timedelta

import psutil
import psycopg
import pytest
import requests
from replicas import asked, standby_of
from waiting import eventually, wait_until

from event_tracker.query.events.streams.live_tail import OVERLAP

QUESTIONS = ("/stats/top-types", "/stats/sessions", "/stats/timeseries")


@pytest.fixture
def primary(own_postgres):
    with psycopg.connect(own_postgres.url("events"), autocommit=True, options="-c timezone=UTC") as owner:
        yield owner


@pytest.fixture
def standby(own_postgres):
    with standby_of(own_postgres) as standby:
        # It asks a primary that is silent whether it is there after half of it.
        standby.execute("alter system set wal_receiver_timeout = '2s'")
        standby.execute("select pg_reload_conf()")
        yield standby


@pytest.fixture
def query(start_service, standby):
    return start_service("query", DATABASE_URL=standby.url("events", "query"))


def store(owner):
    """Store an event; when its transaction began."""
    with owner.transaction():
        owner.execute("insert into event_counts values (date_bin('1 hour', now(), '2000-01-01 00:00Z'), 'view', 'default', 0, 1)"
                      " on conflict (hour, event_type, source, slot) do update set count = event_counts.count + 1")  # fmt: skip
        row = owner.execute("insert into events (user_id, timestamp, event_id, event_type, source)"
                            " values ('ann', now(), gen_random_uuid(), 'view', 'default') returning received_at")  # fmt: skip
        return row.fetchone()[0]


def as_of(query, path):
    answer = requests.get(query.url + path, timeout=30)
    assert answer.status_code == 200, answer.text
    return datetime.fromisoformat(answer.json()["as_of"])


def total(query):
    return requests.get(f"{query.url}/stats/top-types", timeout=30).json()["total"]


@pytest.mark.parametrize("sees_messages", [False, True])
def test_as_of_is_what_has_been_replayed(query, standby, primary, sees_messages):
    if sees_messages:
        primary.execute("grant pg_read_all_stats to query")
    store(primary)
    wait_until(lambda: total(query) == 1, "the first event is replayed")
    standby.execute("select pg_wal_replay_pause()")
    wait_until(lambda: asked(standby, "select pg_get_wal_replay_pause_state()") == ("paused",))
    second = store(primary)
    received = "select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()"
    wait_until(lambda: asked(standby, received) == (True,), "the second event has been sent")
    assert total(query) == 1
    for path in QUESTIONS:
        assert as_of(query, path) < second, path
    standby.execute("select pg_wal_replay_resume()")
    wait_until(lambda: total(query) == 2, "the second event is replayed")
    for path in QUESTIONS:
        assert as_of(query, path) >= second, path


def test_as_of_a_standby_that_has_replayed_no_commit_since_its_start(query, standby):
    assert asked(standby, "select pg_last_xact_replay_timestamp()") == (None,)
    for path in QUESTIONS:
        assert as_of(query, path) <= datetime.now().astimezone()


def test_an_idle_primary_makes_nothing_old_for_who_may_see_its_messages(query, primary):
    primary.execute("grant pg_read_all_stats to query")
    stored = store(primary)
    assert eventually(lambda: as_of(query, "/stats/sessions") > stored + timedelta(seconds=2))


def test_what_an_asynchronous_commit_has_not_written_yet_is_not_claimed(query, own_postgres, standby, primary):
    primary.execute("grant pg_read_all_stats to query")
    for server in (own_postgres, standby):
        server.execute("alter system set wal_writer_delay = '10s'")
        server.execute("select pg_reload_conf()")
    (pid,) = asked(own_postgres, "select pid from pg_stat_activity where backend_type = 'walwriter'")
    writer = psutil.Process(pid)
    writer.send_signal(signal.SIGSTOP)
    try:
        primary.execute("set synchronous_commit = off")
        stored = store(primary)  # committed, seen by everybody there, and sent to nobody
        later = f"select last_msg_send_time > '{stored}'::timestamptz from pg_stat_wal_receiver"
        wait_until(lambda: asked(standby, later) == (True,), "a message came since")
        answers = {path: as_of(query, path) for path in QUESTIONS}
        assert total(query) == 0
    finally:
        writer.send_signal(signal.SIGCONT)
    assert all(answer < stored for answer in answers.values()), answers
    wait_until(lambda: total(query) == 1, "the event is replayed")


def test_a_standby_whose_primary_is_silent_or_cut_off_gets_old(query, own_postgres, standby, primary):
    primary.execute("grant pg_read_all_stats to query")
    store(primary)
    wait_until(lambda: total(query) == 1, "the event is replayed")
    (pid,) = asked(own_postgres, "select pid from pg_stat_replication")
    sender = psutil.Process(pid)
    sender.send_signal(signal.SIGSTOP)  # connected, and silent
    try:
        silent = store(primary)
        for path in QUESTIONS:
            assert as_of(query, path) < silent, path
    finally:
        sender.send_signal(signal.SIGCONT)
    wait_until(lambda: total(query) == 2, "the second event is replayed")
    standby.cut()
    wait_until(lambda: asked(standby, "select from pg_stat_wal_receiver") is None, "the standby is cut off")
    cut_off = store(primary)
    for path in QUESTIONS:
        assert as_of(query, path) < cut_off, path


def test_a_live_stream_tells_what_a_lagging_standby_replays_from_now_on(query, standby, primary):
    store(primary)
    wait_until(lambda: total(query) == 1, "the first event is replayed")
    standby.execute("select pg_wal_replay_pause()")
    wait_until(lambda: asked(standby, "select pg_get_wal_replay_pause_state()") == ("paused",))
    late = store(primary)
    # It lags by more than what is looked back for transactions that take long.
    wait_until(lambda: datetime.now().astimezone() > late + OVERLAP + timedelta(seconds=2), "it lags")
    with requests.get(f"{query.url}/events/live", stream=True, timeout=60) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(b"retry:")
        standby.execute("select pg_wal_replay_resume()")
        assert next(line for line in lines if line.startswith(b"event:")) == b"event: event"
