"""The cache of recent look-ups is bounded by age and by size."""

import time

import gevent
from gevent.event import AsyncResult

from event_tracker.query.auth.tokens import RecentCache


def test_what_was_asked_for_lately_is_known_and_what_is_older_is_not():
    recent = RecentCache(3600, most=10)
    now = time.monotonic()
    recent.put("new", 1, asked_at=now)
    recent.put("old", 2, asked_at=now - 3601)
    assert (recent.get("new"), recent.get("old"), recent.get("other")) == (1, None, None)
    recent.remove("new")
    recent.remove("other")
    assert recent.get("new") is None


def test_what_is_old_goes_when_something_else_is_kept():
    recent = RecentCache(3600, most=10)
    now = time.monotonic()
    for number in range(5):
        recent.put(number, number, asked_at=now - 4000 + number)
    recent.put("new", "x", asked_at=now)
    assert (len(recent), recent.get("new")) == (1, "x")


def test_of_more_than_it_may_hold_the_newest_stay():
    recent = RecentCache(3600, most=3)
    now = time.monotonic()
    for key in ("a", "b", "c", "a", "d", "e"):
        recent.put(key, key.upper(), asked_at=now)
    assert [recent.get(key) for key in "abcde"] == ["A", None, None, "D", "E"]
    assert len(recent) == 3


class PendingLoads:
    """Loads under way. Each ends when a test sets its result."""

    def __init__(self):
        self.pending = []

    def load(self):
        self.pending.append(AsyncResult())
        return self.pending[-1].get()


def ask_for(recent, key, load):
    """A greenlet that asks; its value is the answer, or the error."""

    def wait():
        try:
            return recent.get_or_load(key, load)
        except ValueError as error:
            return error

    asking = gevent.spawn(wait)
    gevent.sleep(0)
    return asking


def test_what_many_ask_for_at_once_is_looked_up_once():
    recent, loads = RecentCache(3600, most=10), PendingLoads()
    asking = [ask_for(recent, "key", loads.load) for _ in range(50)]
    other = ask_for(recent, "other", loads.load)
    assert len(loads.pending) == 2
    loads.pending[0].set("found")
    loads.pending[1].set(None)
    assert {one.get() for one in asking} == {"found"}
    assert other.get() is None
    assert recent.get_or_load("key", loads.load) == "found"
    assert len(loads.pending) == 2
    ask_for(recent, "other", loads.load)
    assert len(loads.pending) == 3, "what wasn't found is looked up again"
    loads.pending[2].set(None)


def test_whoever_waits_for_a_look_up_hears_that_it_failed_and_the_next_one_looks_again():
    recent, loads = RecentCache(3600, most=10), PendingLoads()
    asking = [ask_for(recent, "key", loads.load) for _ in range(3)]
    loads.pending[0].set_exception(ValueError("away"))
    assert [str(one.get()) for one in asking] == ["away"] * 3
    again = ask_for(recent, "key", loads.load)
    loads.pending[1].set("found")
    assert again.get() == "found"


def test_a_look_up_that_began_long_ago_is_not_waited_for():
    recent, loads = RecentCache(-1.0, most=10), PendingLoads()
    asking = [ask_for(recent, "key", loads.load) for _ in range(2)]
    assert len(loads.pending) == 2
    loads.pending[1].set("new")
    loads.pending[0].set("old")
    assert [one.get() for one in asking] == ["old", "new"]
