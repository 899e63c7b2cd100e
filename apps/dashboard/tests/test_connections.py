"""Connections whose client sends a part of a request, or doesn't read an answer: they are bounded in number and in time."""

import gzip
import socket
import time
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from kernel import bytes_unread
from waiting import wait_until

from event_tracker.dashboard.web.compression import FILES
from event_tracker.dashboard.web.connections import MAX_WAITING, PIECE_BYTES

NOBODY = "http://127.0.0.1:1"
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-Note: "
HALF_BODY = b"POST /sign-in HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nContent-Length: 100\r\n\r\nname="
LARGEST = max(FILES, key=lambda path: FILES[path].stat().st_size)
UNREAD = f"GET {LARGEST} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n".encode()


@pytest.fixture
def alone(another):
    """A dashboard of its own; of the query service nothing is asked."""
    with another(NOBODY) as dashboard:
        yield dashboard


def connect(dashboard, receives=None):
    connection = socket.socket()
    connection.settimeout(120)
    if receives:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    connection.connect((urlsplit(dashboard.url).hostname, urlsplit(dashboard.url).port))
    return connection


def connections_of(dashboard):
    """How many connections the dashboard's process has."""
    process = psutil.Process(dashboard.process.process.pid)
    return sum(one.status != psutil.CONN_LISTEN for one in process.net_connections())


def is_closed(connection):
    connection.setblocking(False)
    try:
        return not connection.recv(65_536)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY], ids=["nothing", "half a head", "half a body"])
def test_of_connections_that_wait_for_a_request_the_longest_waiting_are_closed(alone, sent):
    with ExitStack() as opened:
        first = [opened.enter_context(connect(alone)) for _ in range(50)]
        for one in first:
            one.sendall(sent)
        for _ in range(MAX_WAITING):
            opened.enter_context(connect(alone)).sendall(sent)
        assert requests.get(f"{alone.url}/_stcore/health", timeout=60).status_code == 200
        wait_until(lambda: connections_of(alone) <= MAX_WAITING)
        assert all(is_closed(one) for one in first)


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY], ids=["nothing", "half a head", "half a body"])
def test_a_request_may_take_only_so_long_however_often_a_byte_comes(alone, sent):
    with connect(alone) as dribbling:
        dribbling.sendall(sent)

        def is_hung_up_on():
            with suppress(OSError):
                dribbling.send(b"a")
            return is_closed(dribbling)

        wait_until(is_hung_up_on)


def test_answers_that_nobody_reads_cost_bounded_memory_and_time(alone):
    """They need no sign-in. A connection had the rest of a whole file in memory, and had it for as long as its client liked."""
    requests.get(alone.url + LARGEST, timeout=60)
    process = psutil.Process(alone.process.process.pid)
    before = process.memory_info().rss
    clients = 300
    with ExitStack() as opened:
        for _ in range(clients):
            opened.enter_context(connect(alone, receives=4096)).sendall(UNREAD * 3)
        for _ in range(5):
            assert requests.get(f"{alone.url}/_stcore/health", timeout=60).status_code == 200
            assert process.memory_info().rss - before < 100_000_000
            assert bytes_unread(alone.url) < clients * 4 * PIECE_BYTES
            time.sleep(1)
        wait_until(lambda: connections_of(alone) <= 1)
        wait_until(lambda: bytes_unread(alone.url) == 0)


def test_a_client_that_reads_slowly_gets_all_of_it(alone):
    whole = requests.get(alone.url + LARGEST, headers={"Accept-Encoding": "identity"}, timeout=60).content
    with connect(alone, receives=4096) as connection:
        connection.sendall(UNREAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".lower().encode() in head.lower()
    assert gzip.decompress(body) == whole
