"""What was found lately is kept within bounds: by how old it is, and by how much there is."""

import time

from query.access.recent import Recent


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
