"""Faults: each acknowledged event is stored once and counted once, and clients that resend lose nothing."""

import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial

import psycopg
import pytest
import requests
from clients import Clients
from waiting import eventually

ANN = {"user_id": "ann", "event_type": "view"}
PATIENT = {"STORE_SECONDS": 60, "STATEMENT_SECONDS": 50}
"""For a collector whose answer must not be that the database took too long."""
IDLE_SECONDS = 0.5
"""As event_tracker.core.server.worker has it: how long a connection may do nothing before it is hung up on at the end."""
ELSEWHERE = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
BUSY = f"select count(*) {ELSEWHERE} and backend_type = 'client backend' and state = 'active'"
WAITING = f"select count(*) {ELSEWHERE} and wait_event_type = 'Lock'"


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def listens(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionError:
        return False
    return True


def read(connection: socket.socket) -> bytes:
    """What arrives until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def check_books(url: str, acknowledged: set[str]) -> None:
    """Every acknowledged event is stored once, and the counts agree with the rows."""
    with psycopg.connect(url) as connection:
        # PostgreSQL may still commit what a killed collector sent it: both tables as of one moment.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        rows = connection.execute("select event_id::text from events").fetchall()
        (counted,) = connection.execute("select coalesce(sum(count), 0) from event_counts").fetchone()
    stored = {row[0] for row in rows}
    assert acknowledged - stored == set()
    assert len(rows) == len(stored) == counted


def test_a_killed_collector_loses_nothing_acknowledged(start_service, postgres, database):
    settings = {"DATABASE_URL": postgres.url(database, "collector")}
    victim = start_service("collector", **settings)
    port = int(victim.url.rsplit(":", 1)[1])
    with Clients([victim.url]) as clients:
        for _ in range(2):
            clients.wait_acknowledged(200)
            victim.kill()
            check_books(postgres.url(database), set(clients.acknowledged))
            victim = start_service("collector", PORT=port, **settings)
        clients.wait_acknowledged(200)
    check_books(postgres.url(database), clients.acknowledged)
    assert clients.lost == []


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_stopped_postgres_loses_nothing_acknowledged(start_service, own_postgres, mode):
    collector = start_service("collector", DATABASE_URL=own_postgres.url("events", "collector"))
    with Clients([collector.url]) as clients:
        clients.wait_acknowledged(200)
        own_postgres.stop(mode)
        answer = requests.post(f"{collector.url}/events", json=ANN, timeout=30)
        assert (answer.status_code, answer.headers["Retry-After"], answer.json()["code"]) == (
            503,
            "1",
            "database_unavailable",
        )
        assert requests.get(f"{collector.url}/readyz", timeout=30).status_code == 200
        assert requests.get(f"{collector.url}/livez", timeout=30).status_code == 200
        assert requests.get(f"{collector.url}/healthz", timeout=30).status_code == 503
        assert "db_errors_total{" in requests.get(f"{collector.url}/metrics", timeout=30).text
        own_postgres.start()
        clients.wait_acknowledged(200)
    check_books(own_postgres.url("events"), clients.acknowledged)
    assert clients.lost == []
    assert 503 in clients.statuses


def test_a_restart_of_postgres_between_requests_is_not_noticed(start_service, own_postgres):
    collector = start_service("collector", DATABASE_URL=own_postgres.url("events", "collector"))
    post = partial(requests.post, f"{collector.url}/events", json=ANN, timeout=30)
    url = own_postgres.url("events")
    with psycopg.connect(url, autocommit=True) as owner, psycopg.connect(url) as holder, ThreadPoolExecutor(1) as pool:
        # More connections than what it asks by itself, each second, will find to be dead: one is left for the request.
        holder.execute("lock table catalog_version, rejections, events in access exclusive mode")
        stored = pool.submit(post)
        assert eventually(lambda: owner.execute(WAITING).fetchone() >= (3,))
        holder.rollback()
        assert stored.result().status_code == 201
    # What it asks by itself, each second, would notice, and make the pool wait before it connects again.
    with collector.silent():
        own_postgres.stop()
        own_postgres.start()
    assert post().status_code == 201


def test_two_collectors_given_the_same_batches_store_them_once(start_service, postgres, database, owner):
    settings = {"DATABASE_URL": postgres.url(database, "collector"), **PATIENT}
    urls = [start_service("collector", **settings).url for _ in range(2)]
    batches = [
        [
            {"user_id": f"u{n % 7}", "event_type": f"t{n % 3}", "timestamp": f"2026-03-01T{n % 24:02}:00:00Z", "event_id": f"00000000-0000-4000-8000-{b:04}{n:08}"}
            for n in range(200)
        ]
        for b in range(20)
    ]  # fmt: skip

    def send(job):
        url, batch = job
        answer = requests.post(f"{url}/events", json=batch, timeout=90)
        assert answer.status_code == 200, answer.text
        return answer.json()["stored"]

    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(send, [(url, batch) for batch in batches for url in urls]))
    assert sum(stored) == 4000
    check_books(postgres.url(database), {event["event_id"] for batch in batches for event in batch})
    per_type = owner.execute("select event_type, count(*) from events group by 1 order by 1").fetchall()
    assert owner.execute("select event_type, sum(count) from event_counts group by 1 order by 1").fetchall() == per_type


def in_progress(collector):
    """How many requests are being answered, beside the one that asks."""
    text = requests.get(f"{collector.url}/metrics", timeout=30).text
    return float(re.search(r"^http_requests_in_progress (.+)$", text, re.MULTILINE)[1]) - 1


def test_a_poisoned_event_costs_its_group_nothing(start_service, postgres, database, owner):
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), **PATIENT)
    owner.execute("alter table events add constraint no_poison check (event_type <> 'poison')")
    with psycopg.connect(owner.info.dsn) as holder, ThreadPoolExecutor(40) as pool:
        holder.execute("lock table events in access exclusive mode")  # so that the rest gathers into groups
        kinds = ["view", "poison", "click", "view"] * 10
        answers = pool.map(
            lambda kind: requests.post(f"{collector.url}/events", json={**ANN, "event_type": kind}, timeout=90), kinds
        )
        assert eventually(lambda: in_progress(collector) == len(kinds))
        holder.rollback()
        statuses = [answer.status_code for answer in answers]
    assert statuses == [422 if kind == "poison" else 201 for kind in kinds]
    assert owner.execute("select sum(count) from event_counts").fetchone() == (30,)
    assert owner.execute("select count(*) from events").fetchone() == (30,)
    metrics = requests.get(f"{collector.url}/metrics", timeout=30).text
    assert 'collector_events_rejected_by_code_total{code="not_storable"} 10.0' in metrics


def test_a_full_queue_and_a_slow_database_are_503_in_time(start_service, postgres, database, owner):
    limits = {"QUEUE_EVENTS": 10, "STORE_SECONDS": 2, "STATEMENT_SECONDS": 1}
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), **limits)
    with psycopg.connect(postgres.url(database)) as holder, ThreadPoolExecutor(30) as pool:
        holder.execute("lock table events in access exclusive mode")
        started = time.monotonic()
        # Few requests fill the queue, so that it is full however slowly they come.
        answers = list(
            pool.map(lambda _: requests.post(f"{collector.url}/events", json=[ANN] * 5, timeout=30), range(30))
        )
        assert time.monotonic() - started < 8  # what a statement alone may take where nothing else is said
        # Whose answer was 503 may be stored yet, while its INSERT runs: let that end before the lock does.
        assert eventually(lambda: owner.execute(BUSY).fetchone() == (0,))
    codes = {answer.json()["code"] for answer in answers}
    assert {answer.status_code for answer in answers} <= {503, 504}
    assert "queue_full" in codes
    assert all(answer.headers.get("Retry-After") for answer in answers)
    assert requests.post(f"{collector.url}/events", json=ANN, timeout=30).status_code == 201
    assert owner.execute("select count(*) from events").fetchone() == (1,)


def test_sigterm_answers_what_was_accepted_and_then_leaves(start_service, postgres, database):
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), DRAIN_SECONDS=5)
    idle = requests.Session()  # keeps its connection open and must not hold up the end
    idle.get(f"{collector.url}/livez", timeout=30)
    clients = Clients([collector.url])
    with clients:
        clients.wait_acknowledged(100)
        started = time.monotonic()
        collector.process.terminate()
        readyz = f"{collector.url}/readyz"
        assert eventually(lambda: not requests.get(readyz, timeout=30).ok)
        draining = requests.get(readyz, timeout=30)
        assert (draining.status_code, draining.json()["code"]) == (503, "draining")
        assert draining.headers["Connection"] == "close"  # a client that goes on elsewhere can't be hung up on
        assert collector.process.wait(60) == 0
        assert time.monotonic() - started < 15  # held up, it would be killed after 20 s
        acknowledged, statuses = set(clients.acknowledged), set(clients.statuses)
        replacement = start_service(
            "collector", DATABASE_URL=postgres.url(database, "collector"), PORT=int(collector.url.rsplit(":", 1)[1])
        )
        clients.wait_acknowledged(10)
        assert replacement.process.poll() is None
    check_books(postgres.url(database), acknowledged | clients.acknowledged)
    assert clients.lost == []
    assert statuses <= {200, 201}


def test_a_connection_made_before_the_end_may_still_send_its_request(start_service, postgres, database):
    in_time = False
    while not in_time:  # where this test was too slow itself, its connection may be hung up on
        collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"))
        made, received = time.monotonic(), b""
        with connect(collector.url) as connection, suppress(ConnectionError):
            collector.process.terminate()
            while listens(collector.url):
                time.sleep(0.01)
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            in_time = time.monotonic() - made < IDLE_SECONDS
            received = connection.recv(65_536)
        assert collector.process.wait(30) == 0
    assert received.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("seconds", [0.3, 0.6, 0.9, 1.2, 1.5])
def test_sigterm_while_it_starts_ends_it_at_once(start_service, postgres, database, seconds):
    collector = start_service("collector", wait=False, DATABASE_URL=postgres.url(database, "collector"))
    time.sleep(seconds)
    collector.process.terminate()
    assert collector.process.wait(12) in (0, -15)  # a worker that missed the signal would be killed after 15 s


def test_a_request_that_waits_for_the_database_at_sigterm_is_still_answered(start_service, postgres, database, owner):
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"))
    with psycopg.connect(postgres.url(database)) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("lock table events in access exclusive mode")
        answer = pool.submit(requests.post, f"{collector.url}/events", json=ANN, timeout=30)
        assert eventually(lambda: owner.execute(WAITING).fetchone() == (1,))
        collector.process.terminate()
        assert eventually(lambda: not listens(collector.url))
        holder.rollback()
        assert answer.result().status_code == 201
    assert collector.process.wait(30) == 0
    assert owner.execute("select count(*) from events").fetchone() == (1,)


def exchange(url: str, sent: bytes) -> bytes:
    """Send bytes on a connection and read until the server closes it."""
    with connect(url) as connection:
        connection.sendall(sent)
        return read(connection)


HEAD = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_slow_body_is_a_408_and_costs_nobody_else_anything(start_service, postgres, database):
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), BODY_SECONDS=5)
    with ExitStack() as opened:
        slow = [opened.enter_context(connect(collector.url)) for _ in range(20)]
        for connection in slow:
            connection.sendall(HEAD + b'Content-Length: 50\r\n\r\n{"user_id"')
        assert requests.post(f"{collector.url}/events", json=ANN, timeout=5).status_code == 201
        for connection in slow:
            answer = read(connection)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"slow_body"' in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n\r\n", 400),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}", 400),
    ],
)
def test_what_is_not_http_is_refused_in_the_same_shape(collector, sent, status):
    answer = exchange(collector.url, sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in answer
    assert b'"status":%d' % status in answer


def test_a_client_that_is_refused_while_it_sends_gets_the_answer_and_no_reset(collector):
    with connect(collector.url) as connection:
        connection.sendall(b"GET /" + b"a" * 20_000)
        connection.recv(1, socket.MSG_PEEK)  # it is refused by now; a reset would take the answer away
        connection.sendall(b"a" * 20_000)
        connection.sendall(b"a" * 20_000)
        received = read(connection)
    assert received.startswith(b"HTTP/1.1 414 ")


def test_a_chunked_body_is_read(collector):
    body = b'{"user_id":"ann","event_type":"view"}'
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert exchange(
        collector.url, HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunk
    ).startswith(b"HTTP/1.1 201 ")


def test_a_gzip_bomb_costs_bounded_memory(start_service, postgres, database):
    import gzip

    import psutil

    collector = start_service("collector", forked=False, DATABASE_URL=postgres.url(database, "collector"))
    worker = psutil.Process(collector.process.pid).children()[0]
    before = worker.memory_info().rss
    bomb = gzip.compress(bytes(1_000_000_000), compresslevel=1)
    for _ in range(3):
        answer = requests.post(
            f"{collector.url}/events",
            bomb,
            headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
            timeout=30,
        )
        assert answer.status_code == 413
    assert worker.memory_info().rss - before < 40_000_000


def test_wrong_settings_are_reported_together(postgres):
    import os
    import sys

    wrong = {"PORT": "0", "MAX_EVENTS": "many", "LOG_LEVEL": "loud"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_URL")}
    ended = subprocess.run(
        [sys.executable, "-m", "event_tracker.collector"],
        env={**environment, **wrong},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode != 0
    for name in ("PORT", "MAX_EVENTS", "LOG_LEVEL", "DATABASE_URL"):
        assert name in ended.stderr
    assert "Traceback" not in ended.stderr
