"""Visitors who haven't signed in: they have a limited number of WebSockets, and of threads."""

import re
import socket
from contextlib import ExitStack, contextmanager
from select import select
from urllib.parse import urlsplit

import pytest
import requests
import websockets.sync.client
from visitors import PASSWORD
from waiting import wait_until
from websockets.exceptions import InvalidStatus

from event_tracker.dashboard.web.sockets import MAX_OF_ADDRESS, MOST

COOKIE = "sign-in"


@pytest.fixture
def alone(another, guarded):
    """A dashboard of its own: other tests leave no sockets open."""
    with another(guarded.query_url) as dashboard:
        yield dashboard


@contextmanager
def socket_of(dashboard, address="127.0.0.1", cookie=None):
    """Open the WebSocket of a page, from an address of this machine."""
    with websockets.sync.client.connect(
        dashboard.url.replace("http:", "ws:") + "/_stcore/stream",
        subprotocols=["streamlit"],
        additional_headers={"Cookie": f"{COOKIE}={cookie}"} if cookie else None,
        source_address=(address, 0),
        open_timeout=60,
        close_timeout=60,
        ping_interval=None,
    ) as stream:
        yield stream


def is_refused(dashboard, address="127.0.0.1"):
    """Whether one more is refused, with an answer that says why."""
    try:
        with socket_of(dashboard, address):
            return False
    except InvalidStatus as refused:
        answer = refused.response
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
        assert b"Sign in" in answer.body
        return True


def sign_in(dashboard):
    """The cookie of somebody who signs in."""
    answer = requests.post(
        f"{dashboard.url}/sign-in",
        data={"name": "ben", "password": PASSWORD},
        headers={"Origin": dashboard.url},
        allow_redirects=False,
        timeout=60,
    )
    return answer.cookies[COOKIE]


def test_who_has_not_signed_in_opens_so_many_pages_and_keeps_nobody_out_who_has(alone, people):
    with ExitStack() as opened:
        streams = [opened.enter_context(socket_of(alone)) for _ in range(MAX_OF_ADDRESS)]
        assert is_refused(alone)
        assert not is_refused(alone, "127.0.0.2")
        cookie = sign_in(alone)
        with socket_of(alone, cookie=cookie):
            assert is_refused(alone)
        streams[0].close()
        wait_until(lambda: not is_refused(alone))
        for number in range(MOST - MAX_OF_ADDRESS + 1):
            opened.enter_context(socket_of(alone, f"127.0.0.{2 + number % 2}"))
        assert is_refused(alone, "127.0.0.4")
        with socket_of(alone, "127.0.0.4", cookie=cookie):
            pass


def test_sign_ins_that_wait_keep_nobody_from_the_files_of_a_page(another, start_query):
    """They wait for as long as the query service takes, and anybody may send any number."""
    query = start_query()
    with another(query.url) as dashboard, ExitStack() as opened:
        page = requests.get(dashboard.url, timeout=60).text
        (script,) = re.findall(r'<script type="module"[^>]* src="\./([^"]+)"', page)
        where = urlsplit(dashboard.url)
        form = b"name=ann&password=guess"
        request = (
            f"POST /sign-in HTTP/1.1\r\nHost: {where.netloc}\r\nOrigin: {dashboard.url}\r\nContent-Length: {len(form)}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        with query.silent():
            guesses = []
            for _ in range(100):
                guesses.append(opened.enter_context(socket.create_connection((where.hostname, where.port), 60)))
                guesses[-1].sendall(request.encode() + form)
            for _ in range(3):
                assert requests.get(f"{dashboard.url}/{script}", timeout=60).status_code == 200
            answered, _, _ = select(guesses, [], [], 0)
        assert not answered
