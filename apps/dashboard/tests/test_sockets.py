"""The WebSockets of pages: visitors who haven't signed in have a limited number of them."""

from contextlib import ExitStack, contextmanager

import pytest
import requests
import websockets.sync.client
from visitors import PASSWORD
from waiting import wait_until
from websockets.exceptions import InvalidStatus

from event_tracker.dashboard.web.sockets import MOST, MOST_OF_ADDRESS

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
        streams = [opened.enter_context(socket_of(alone)) for _ in range(MOST_OF_ADDRESS)]
        assert is_refused(alone)
        assert not is_refused(alone, "127.0.0.2")
        cookie = sign_in(alone)
        with socket_of(alone, cookie=cookie):
            assert is_refused(alone)
        streams[0].close()
        wait_until(lambda: not is_refused(alone))
        for number in range(MOST - MOST_OF_ADDRESS + 1):
            opened.enter_context(socket_of(alone, f"127.0.0.{2 + number % 2}"))
        assert is_refused(alone, "127.0.0.4")
        with socket_of(alone, "127.0.0.4", cookie=cookie):
            pass
