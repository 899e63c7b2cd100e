"""Answers to clients that read slowly."""

import socket
import threading
from types import SimpleNamespace

import pytest

from event_tracker.core.http.connections import Connections
from event_tracker.core.server import http1

BODY = bytes(4_000_000)
TAKEN = 1000
"""Bytes that a client reads at once."""


def respond(seconds):
    """What a client has read of an answer with BODY, if it waits so many seconds after each TAKEN bytes."""
    ours, theirs = socket.socketpair()
    refused = threading.Event()
    received = []

    def take():
        while (part := theirs.recv(TAKEN)) and not refused.wait(seconds):
            received.append(part)

    client = threading.Thread(target=take)
    client.start()
    request = SimpleNamespace(version=(1, 1), method="GET", should_close=lambda: False)
    response = http1.OneWriteResponse(request, ours, None)
    response.connections = Connections(10)
    response.start_response("200 OK", [("Content-Length", str(len(BODY)))])
    try:
        with ours:
            ours.settimeout(http1.SEND_SECONDS)
            response.write(BODY)
    except TimeoutError:
        refused.set()
        raise
    finally:
        client.join()
        theirs.close()
    return b"".join(received)


def test_a_client_that_goes_on_taking_a_little_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(http1, "SEND_SECONDS", 1.0)
    monkeypatch.setattr(http1, "LEAST_RATE", 2**30)
    with pytest.raises(TimeoutError):
        respond(0.001)


def test_a_client_that_takes_it_as_it_comes_gets_all_of_it():
    assert respond(0).endswith(BODY)
