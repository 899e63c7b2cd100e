"""What was found lately is kept within bounds: by how old it is, and by how much there is."""

import time

import gevent
from gevent.event import AsyncResult

from event_tracker.query.auth.recent_cache import Recent


def test_what_was_asked_for_lately_is_known_and_what_is_older_is_not():
    recent = Recent(3600, most=10)
    now = time.monotonic()
    recent.keep("new", 1, asked=now)
    recent.keep("old", 2, asked=now - 3601)
    assert (recent.find("new"), recent.find("old"), recent.find("other")) == (1, None, None)
    recent.forget("new")
    recent.forget("other")
    assert recent.find("new") is None


def test_what_is_old_goes_when_something_else_is_kept():
    recent = Recent(3600, most=10)
    now = time.monotonic()
    for number in range(5):
        recent.keep(number, number, asked=now - 4000 + number)
    recent.keep("new", "x", asked=now)
    assert (len(recent), recent.find("new")) == (1, "x")


def test_of_more_than_it_may_hold_the_newest_stay():
    recent = Recent(3600, most=3)
    now = time.monotonic()
    for key in ("a", "b", "c", "a", "d", "e"):
        recent.keep(key, key.upper(), asked=now)
    assert [recent.find(key) for key in "abcde"] == ["A", None, None, "D", "E"]
    assert len(recent) == 3


class LookUps:
    """Look-ups under way: each ends when it is let."""

    def __init__(self):
        self.may = []

    def look(self):
        self.may.append(AsyncResult())
        return self.may[-1].get()


def ask_for(recent, key, look):
    """A greenlet that asks; its value is what it is told, or the error."""

    def wait():
        try:
            return recent.ask(key, look)
        except ValueError as error:
            return error

    asking = gevent.spawn(wait)
    gevent.sleep(0)
    return asking


def test_what_many_ask_for_at_once_is_looked_up_once():
    recent, looks = Recent(3600, most=10), LookUps()
    asking = [ask_for(recent, "key", looks.look) for _ in range(50)]
    other = ask_for(recent, "other", looks.look)
    assert len(looks.may) == 2
    looks.may[0].set("found")
    looks.may[1].set(None)
    assert {one.get() for one in asking} == {"found"}
    assert other.get() is None
    assert recent.ask("key", looks.look) == "found"
    assert len(looks.may) == 2
    ask_for(recent, "other", looks.look)
    assert len(looks.may) == 3, "what wasn't found is looked up again"
    looks.may[2].set(None)


def test_whoever_waits_for_a_look_up_hears_that_it_failed_and_the_next_one_looks_again():
    recent, looks = Recent(3600, most=10), LookUps()
    asking = [ask_for(recent, "key", looks.look) for _ in range(3)]
    looks.may[0].set_exception(ValueError("away"))
    assert [str(one.get()) for one in asking] == ["away"] * 3
    again = ask_for(recent, "key", looks.look)
    looks.may[1].set("found")
    assert again.get() == "found"


def test_a_look_up_that_began_long_ago_is_not_waited_for():
    recent, looks = Recent(-1.0, most=10), LookUps()
    asking = [ask_for(recent, "key", looks.look) for _ in range(2)]
    assert len(looks.may) == 2
    looks.may[1].set("new")
    looks.may[0].set("old")
    assert [one.get() for one in asking] == ["old", "new"]
