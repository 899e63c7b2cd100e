"""When few connections are free, those that have waited longest are closed. They are found without reading all others."""

import socket
import time
from contextlib import ExitStack

import gevent
import pytest
from gevent.event import Event
from gevent.socket import wait_read

from event_tracker.core.http import closing
from event_tracker.core.http.connections import SLICE_SECONDS, Connections, RequestScheduler


@pytest.fixture
def crowd(monkeypatch):
    """crowd(most) gives the Connections, and a function: come("body") is the socket of a client that waits for a body for ever."""
    monkeypatch.setattr(closing, "IDLE_SECONDS", 0.0)
    end = Event()
    served, refused = [], []

    def make(most):
        all_ = Connections(most)
        all_.refused = refused

        def come(waits_for):
            ours, theirs = socket.socketpair()
            opened.enter_context(ours)
            opened.enter_context(theirs)

            def serve():
                all_.add(ours)
                if waits_for == "turn":
                    refused.append(not all_.scheduler.take())
                else:
                    all_.wait_for(waits_for)
                end.wait()
                all_.scheduler.end()
                all_.stop_waiting()
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

    merged = closing.merge
    monkeypatch.setattr(closing, "merge", merge)
    all_, come = crowd(200)  # 25 are kept free
    for _ in range(175):
        come("body")
    assert looked == []
    come("body")
    assert (all_.closed, len(looked)) == (25, 25)


def test_who_does_not_read_is_hung_up_on_as_well(crowd):
    all_, come = crowd(16)
    clients = [come("reader") for _ in range(15)]
    assert [is_hung_up_on(one) for one in clients] == [True] * 2 + [False] * 13
    assert all_.closed == 2


def test_a_request_waits_for_its_turn_until_hardly_any_connection_is_left(crowd):
    all_, come = crowd(16)  # 14 requests go on at once, and 32 connections are accepted
    for _ in range(30):
        come("turn")
    assert all_.refused == [False] * 14
    assert not all_.closed
    come("turn")
    assert all_.refused[14:] == [True] * 2
    assert all_.closed == 2


def test_requests_whose_bodies_are_awaited_keep_no_other_from_its_turn(crowd):
    all_, _ = crowd(16)  # 14 turns
    done = []

    def wait_for_body():
        assert all_.scheduler.take()
        all_.wait_for("body")
        all_.scheduler.end()

    def answer():
        assert all_.scheduler.take()
        done.append(True)

    gevent.joinall([gevent.spawn(wait_for_body) for _ in range(14)])
    gevent.spawn(answer).join(5)
    assert done == [True]


def test_a_turn_that_ends_is_given_to_who_has_waited_for_longest(crowd):
    scheduler = RequestScheduler(1)
    order, ends = [], [Event() for _ in range(3)]

    def ask(number):
        assert scheduler.take()
        order.append(number)
        ends[number].wait()
        scheduler.end()

    asking = [gevent.spawn(ask, number) for number in range(3)]
    for number in range(3):
        gevent.sleep(0.01)
        assert order == list(range(number + 1))
        ends[number].set()
    gevent.joinall(asking)
    assert not scheduler.waiting


def test_sockets_are_looked_at_before_all_that_could_go_on_have(crowd):
    """Without turns the event loop would work on all of the requests first."""
    scheduler = RequestScheduler(1000)
    done = []
    ours, theirs = socket.socketpair()

    def work(number):
        assert scheduler.take()
        burn(SLICE_SECONDS / 2)
        scheduler.pause()
        done.append(number)
        scheduler.end()

    def read():
        wait_read(ours.fileno())
        done.append("read")

    with ours, theirs:
        reading = gevent.spawn(read)
        gevent.sleep(0.001)
        theirs.send(b"x")
        gevent.joinall([reading, *(gevent.spawn(work, number) for number in range(50))])
    assert done.index("read") < 10
    assert [one for one in done if one != "read"] == list(range(50))


def burn(seconds):
    """Keep the event loop busy."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        pass


def test_a_greenlet_that_is_killed_while_it_waits_takes_no_turn(crowd):
    scheduler = RequestScheduler(1)
    assert scheduler.take()
    waiting = gevent.spawn(scheduler.take)
    gevent.sleep(0.001)
    waiting.kill()
    assert not scheduler.waiting
    scheduler.end()
    assert scheduler.take()
