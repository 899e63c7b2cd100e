"""GET /users and GET /users/{user_id}."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from . import make, question_strategies
from .product import unlike
from .questions import span, user
from .reference.events import of_sources
from .reference.user_list import everybody
from .strategies import ASKED_ABOUT, CLOCKS, EXAMPLES, cases, events


def listed(product, limit, sources=None, identity="linked"):
    """All users, page by page."""
    asked = {"limit": limit, "source": sources, "identity": identity}
    found, cursor = [], {}
    while cursor is not None:
        answer = product.session.get(f"{product.query.url}/users", params={**asked, **cursor}, timeout=30)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["identity"] == identity
        assert len(page["users"]) <= limit
        found += page["users"]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    return found


@EXAMPLES
@given(case=cases(question_strategies.user, days=3, users=2, filters=False))
def test_a_summary_is_as_defined(product, case):
    product.holds(*case)


@EXAMPLES
@given(
    found=st.sampled_from(CLOCKS).flatmap(lambda clock: events(clock[1], 3, users=5)),
    limit=st.integers(1, 6),
    sources=ASKED_ABOUT,
)
def test_the_list_is_as_defined(product, found, limit, sources):
    product.clear()
    product.store(found, request=7)
    assert list(unlike(everybody(of_sources(found, sources)), listed(product, limit, sources), "")) == []


def ids(product, found, limit=50):
    product.clear()
    product.store(found)
    return [one["user_id"] for one in listed(product, limit)]


def test_the_most_recently_active_user_is_first(product):
    found = [
        make.event("ann", 0),
        make.event("bob", 1),
        make.event("cem", 0.5),
        make.event("ann", 3),
        make.event("dan", 2.999999),
    ]
    assert ids(product, found) == ["ann", "dan", "bob", "cem"]
    product.store([make.event("cem", -9), make.event("bob", 4)])
    assert [one["user_id"] for one in listed(product, 1)] == ["bob", "ann", "dan", "cem"]


def test_equal_times_are_in_descending_order_of_the_id(product):
    found = [make.event(user_id) for user_id in ("B", "a", "é", "😀", "\uffff")]
    for limit in (1, 2, 50):
        assert ids(product, found, limit) == ["😀", "\uffff", "é", "a", "B"]


def test_an_active_day_is_a_local_date_with_an_event(ask):
    found = [make.event("ann", 82_800), make.event("ann", 84_600), make.event("ann", 90_000), make.event("bob", 0)]
    for zone, count in [("UTC", 2), ("Europe/Paris", 1)]:
        body = ask(found, user(span(end=timedelta(days=3), zone=zone), "ann"))
        assert (body["range"]["active_days"], body["range"]["events"]) == (count, 3)


def test_a_summary_has_an_id_of_any_characters(ask):
    for user_id in ("a/b", "../x", "é %2F?#"):
        assert ask([make.event(user_id, 5)], user(span(), user_id))["user_id"] == user_id
