"""Clients take turns: however much one of them asks for, the others are served once in a round, and some turns stay free for them."""

import gevent
import pytest
from gevent.event import Event

from event_tracker.core import concurrency_limit
from event_tracker.core.concurrency_limit import ConcurrencyLimit, NoTurnError, TooManyWaitError

LONG = 1000.0
"""Seconds; no test waits as long."""


@pytest.fixture
def held():
    """A limit with one turn taken, and a function that ends that turn."""
    held = ConcurrencyLimit()
    end = Event()

    def hold():
        with held.take("holder", LONG):
            end.wait()

    holding = gevent.spawn(hold)
    gevent.sleep(0)
    yield held, end.set
    end.set()
    holding.join()


def queue(held, client, had, seconds=LONG):
    """A greenlet that waits for a turn, records that it had it, and lets others run meanwhile."""

    def wait():
        with held.take(client, seconds):
            had.append(client)
            gevent.sleep(0)

    waiting = gevent.spawn(wait)
    gevent.sleep(0)
    return waiting


def test_a_client_that_wants_much_is_let_in_once_in_a_round(held):
    had = []
    waiting = [queue(held[0], client, had) for client in ["loud"] * 4 + ["quiet", "small", "quiet"]]
    held[1]()
    gevent.joinall(waiting)
    assert had == ["loud", "quiet", "small", "loud", "quiet", "loud", "loud"]


def test_who_comes_does_not_go_before_who_waits(held):
    had = []

    def come_again():
        with held[0].take("loud", LONG):
            had.append("loud")
        with held[0].take("loud", LONG):
            had.append("loud again")

    coming = gevent.spawn(come_again)
    gevent.sleep(0)
    waiting = queue(held[0], "quiet", had)
    held[1]()
    gevent.joinall([coming, waiting])
    assert had == ["loud", "quiet", "loud again"]


def test_a_client_may_have_so_many_waiting_and_others_are_let_in(held, monkeypatch):
    monkeypatch.setattr(concurrency_limit, "MAX_WAITING", 2)
    had = []
    waiting = [queue(held[0], client, had) for client in ["loud", "loud", "quiet"]]
    with pytest.raises(TooManyWaitError), held[0].take("loud", LONG):
        pass
    held[1]()
    gevent.joinall(waiting)
    assert had == ["loud", "quiet", "loud"]


def test_who_waits_too_long_or_is_stopped_leaves_the_queue(held):
    had = []
    with pytest.raises(NoTurnError) as late, held[0].take("late", 0.0):
        pass
    assert not isinstance(late.value, TooManyWaitError)
    stopped = queue(held[0], "stopped", had)
    stopped.kill()
    other = queue(held[0], "other", had)
    held[1]()
    other.join()
    assert had == ["other"]
    with held[0].take("next", 0.0):  # the turn is free again
        pass


def test_a_turn_that_is_given_to_who_was_stopped_is_passed_on(held):
    had = []
    stopped, other = queue(held[0], "stopped", had), queue(held[0], "other", had)
    stopped.kill(block=False)
    held[1]()
    gevent.joinall([stopped, other])
    assert had == ["other"]


class Holder:
    """A client's request: `began` is set once it has its turn; it keeps the turn until `end`."""

    def __init__(self, turns, client):
        self.began = False
        self._end = Event()
        self._greenlet = gevent.spawn(self._hold, turns, client)
        gevent.sleep(0)

    def end(self):
        self._end.set()
        self._greenlet.join()
        gevent.sleep(0)

    def _hold(self, turns, client):
        with turns.take(client, LONG):
            self.began = True
            self._end.wait()


@pytest.mark.parametrize(("most", "half"), [(1, 1), (2, 1), (3, 2), (8, 4)])
def test_one_client_has_half_of_the_turns_and_another_finds_one_at_once(most, half):
    turns = ConcurrencyLimit(most)
    loud = [Holder(turns, "loud") for _ in range(most + 1)]
    assert [one.began for one in loud] == [True] * half + [False] * (most + 1 - half)
    quiet = [Holder(turns, "quiet") for _ in range(most - half)]
    assert all(one.began for one in quiet)
    late = Holder(turns, "late")
    assert not late.began
    for one in (*quiet, *loud):
        one.end()
    assert late.began, "all of them had their turn"
    late.end()


def test_a_turn_that_is_free_goes_to_whoever_has_not_as_many_as_they_may():
    turns = ConcurrencyLimit(3)
    loud = [Holder(turns, "loud") for _ in range(4)]
    quiet = Holder(turns, "quiet")
    small = Holder(turns, "small")
    assert [one.began for one in (*loud, quiet, small)] == [True, True, False, False, True, False]
    quiet.end()
    assert (loud[2].began, small.began) == (False, True), "who waits for longest has half of them"
    loud[0].end()
    assert [one.began for one in loud] == [True, True, True, False]
    for one in (*loud[1:], small):
        one.end()
    assert turns._running == {}
    assert turns._waiting == {}


def test_one_client_may_have_all_of_them_where_that_is_wanted():
    turns = ConcurrencyLimit(2, each=2)
    loud = [Holder(turns, "loud") for _ in range(4)]
    quiet = Holder(turns, "quiet")
    assert [one.began for one in loud] == [True, True, False, False]
    loud[0].end()
    loud[1].end()
    assert (loud[2].began, quiet.began, loud[3].began) == (True, True, False)
    for one in (*loud, quiet):
        one.end()
