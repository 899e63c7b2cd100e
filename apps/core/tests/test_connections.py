"""When few connections are free, those that have waited longest are closed. They are found without reading all others."""

import socket
from contextlib import ExitStack

import gevent
import pytest
from gevent.event import Event

from event_tracker.core.http import connections
from event_tracker.core.http.connections import Connections


@pytest.fixture
def crowd(monkeypatch):
    """crowd(most) gives the Connections, and a function: come("body") is the socket of a client that waits for a body for ever."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.0)
    end = Event()
    served = []

    def make(most):
        all_ = Connections(most)

        def come(waits_for):
            ours, theirs = socket.socketpair()
            opened.enter_context(ours)
            opened.enter_context(theirs)

            def serve():
                all_.add(ours)
                {"request": all_.wait_for_request, "body": all_.wait_for_body}[waits_for]()
                end.wait()
                all_.end_body()
                all_.remove()

            served.append(gevent.spawn(serve))
            gevent.sleep(0.001)
            return ours

        return all_, come

    with ExitStack() as opened:
        yield make
        end.set()
        gevent.joinall(served)


def is_hung_up_on(ours):
    ours.setblocking(False)
    try:
        return ours.recv(1) == b""
    except BlockingIOError:
        return False


def test_who_waits_for_longest_is_hung_up_on_whatever_for(crowd):
    all_, come = crowd(16)  # two are kept free
    clients = [come("body" if number in {0, 2, 3} else "request") for number in range(16)]
    assert [is_hung_up_on(one) for one in clients] == [True] * 2 + [False] * 14
    assert all_.closed == 2
    clients += [come("request"), come("body")]
    assert [is_hung_up_on(one) for one in clients] == [True] * 4 + [False] * 14


def test_no_more_are_looked_at_than_are_hung_up_on(crowd, monkeypatch):
    looked = []

    def merge(*waiting, key):
        for one in merged(*waiting, key=key):
            looked.append(one)
            yield one

    merged = connections.merge
    monkeypatch.setattr(connections, "merge", merge)
    all_, come = crowd(200)  # 25 are kept free
    for _ in range(175):
        come("body")
    assert looked == []
    come("body")
    assert (all_.closed, len(looked)) == (25, 25)
