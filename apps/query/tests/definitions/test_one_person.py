"""One person with several ids: every question that counts users, with `identity=linked` and `identity=raw`."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import make, question_strategies
from .product import unlike
from .questions import T0, event_users, funnel, span, stats
from .reference.events import of_sources
from .reference.persons import Link, of_persons
from .reference.user_list import everybody
from .strategies import ASKED_ABOUT, EXAMPLES, STORED_IN, USERS, cases
from .test_recently_active import listed

DAY = 86_400
TWO_DAYS = span(end=timedelta(days=2))
IDENTITIES = st.sampled_from([None, "linked", "raw"])
IDS = [*USERS[:4], "nobody's id"]


@st.composite
def links(draw):
    """Links between the users of the events: chains, circles, several of an alias, some removed."""
    pairs = st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(lambda pair: pair[0] != pair[1])
    made = st.builds(
        lambda pair, seconds, number, source, removed: Link(
            *pair, T0 + timedelta(seconds=seconds), UUID(int=number << 120), source, removed
        ),
        pairs,
        st.integers(0, 2),
        st.integers(0, 255),
        st.sampled_from(STORED_IN),
        st.sampled_from([False, False, False, True]),
    )
    return draw(st.lists(made, max_size=6, unique_by=lambda link: (link.source, link.alias, link.person)))


@st.composite
def linked_cases(draw, question, **sizes):
    events, asked = draw(cases(question, **{"users": 5, **sizes}))
    return events, [replace(one, identity=draw(IDENTITIES)) for one in asked], draw(links())


ASKED = {
    "timeseries": (question_strategies.timeseries, {}),
    "users": (question_strategies.users, {"days": 8}),
    "sessions": (question_strategies.sessions, {}),
    "funnel": (question_strategies.funnel, {"days": 1, "types": 2}),
    "retention": (question_strategies.retention, {"days": 10}),
    "paths": (question_strategies.paths, {}),
    "users of events": (question_strategies.event_users, {"days": 8}),
    "properties": (question_strategies.top_properties, {}),
    "web": (question_strategies.of_views(question_strategies.web), {}),
    "rows of web": (question_strategies.of_views(question_strategies.web_top), {}),
}


@pytest.mark.parametrize("name", ASKED)
def test_persons_are_as_defined(product, name):
    question, sizes = ASKED[name]

    @EXAMPLES
    @given(case=linked_cases(question, **sizes))
    def check(case):
        events, asked, given_links = case
        product.fill(events, request=7)
        product.link(given_links)
        for one in asked:
            product.ask(one, events, given_links)

    check()


@EXAMPLES
@given(case=linked_cases(question_strategies.users), limit=st.integers(1, 6), sources=ASKED_ABOUT)
def test_the_list_of_persons_is_as_defined(product, case, limit, sources):
    events, _, given_links = case
    product.clear()
    product.store(events, request=7)
    product.link(given_links)
    own = of_sources(events, sources)
    assert list(unlike(everybody(of_persons(own, given_links, sources)), listed(product, limit, sources), "")) == []
    assert list(unlike(everybody(own), listed(product, limit, sources, "raw"), "")) == []


def link(alias, person, at=0, source="default", removed=False):
    return Link(alias, person, T0 + timedelta(seconds=at), UUID(int=1), source, removed)


@pytest.fixture
def ask(product):
    """ask(events, links, question) stores these alone, checks the answer against the reference and returns it."""

    def ask(events, links, question):
        product.fill(events)
        product.link(links)
        return product.ask(question, events, links)

    return ask


def active(body):
    return [point["active"] for point in body["points"]]


BEFORE_AND_AFTER = [make.event("anonymous", 0), make.event("ann", 60), make.event("bob", 0)]


def test_a_person_is_all_ids_that_are_linked_whatever_the_time(ask, product):
    late = [*BEFORE_AND_AFTER, make.event("anonymous", DAY)]
    assert active(ask(late, [link("anonymous", "ann", at=30)], stats("users", TWO_DAYS))) == [2, 1]
    assert active(product.ask(replace(stats("users", TWO_DAYS), identity="raw"), late)) == [3, 1]


def test_a_person_was_first_seen_with_any_of_their_ids(ask):
    events = [make.event("anonymous", -DAY), make.event("ann", 0), make.event("bob", 0)]
    body = ask(events, [link("anonymous", "ann")], stats("users", span()))
    assert (body["active"], body["new"]) == (2, 1)


def test_one_person_goes_through_the_sign_in(ask, product):
    events = [make.event("anonymous", 0, "view"), make.event("ann", 1, "buy"), make.event("ann", 1, "view")]
    steps = funnel(span(), [("view", {}), ("buy", {})])
    links = [link("anonymous", "ann")]
    assert [step["users"] for step in ask(events, links, steps)["steps"]] == [1, 1]
    assert [step["users"] for step in product.ask(replace(steps, identity="raw"), events)["steps"]] == [2, 0]


def test_a_session_continues_with_another_id_of_the_person(ask, product):
    events = [
        *(make.event(user_id, at) for user_id, at in (("anonymous", 0), ("ann", 60))),
        *(make.event(user_id, at, session_id="s") for user_id, at in (("anonymous", 0), ("ann", 7200))),
    ]
    assert ask(events, [link("anonymous", "ann")], stats("sessions", span()))["sessions"] == 2
    assert product.ask(replace(stats("sessions", span()), identity="raw"), events)["sessions"] == 4


def test_links_are_followed_to_the_end(ask):
    links = [link("a", "b"), link("b", "c"), link("c", "shown")]
    body = ask([make.event(user_id) for user_id in "abc"], links, event_users(span()))
    assert [(user["user_id"], user["events"]) for user in body["users"]] == [("shown", 3)]


def test_the_earliest_link_of_an_id_counts(ask):
    links = [link("anonymous", "bob", at=2), link("anonymous", "ann", at=1)]
    body = ask(BEFORE_AND_AFTER, links, event_users(span()))
    assert [(user["user_id"], user["events"]) for user in body["users"]] == [("ann", 2), ("bob", 1)]


def test_a_circle_is_cut_at_its_latest_link(ask):
    links = [link("ann", "bob", at=1), link("bob", "anonymous", at=2), link("anonymous", "ann", at=3)]
    body = ask(BEFORE_AND_AFTER, links, event_users(span()))
    assert [(user["user_id"], user["events"]) for user in body["users"]] == [("anonymous", 3)]


def test_a_link_that_was_removed_does_not_count(ask, product):
    links = [link("anonymous", "bob", at=1), link("anonymous", "ann", at=2)]
    ask(BEFORE_AND_AFTER, links, event_users(span()))
    removed = [replace(links[0], removed=True), links[1]]
    product.link(removed)
    body = product.ask(event_users(span()), BEFORE_AND_AFTER, removed)
    assert [user["user_id"] for user in body["users"]] == ["ann", "bob"]
    product.owner.execute("delete from links")
    assert product.ask(event_users(span()), BEFORE_AND_AFTER)["total"] == 3


def test_links_of_other_sources_do_not_count(ask, product):
    links = [link("anonymous", "ann", source="shop")]
    in_default = replace(stats("users", span()), sources=("default",))
    assert ask(BEFORE_AND_AFTER, links, in_default)["active"] == 3
    assert product.ask(stats("users", span()), BEFORE_AND_AFTER, links)["active"] == 2


def test_filters_see_the_id_that_was_sent(ask):
    of_ann = span(filters=['{"field": "user_id", "operator": "is", "value": "ann"}'])
    body = ask(BEFORE_AND_AFTER, [link("anonymous", "ann")], event_users(of_ann))
    assert [(user["user_id"], user["events"]) for user in body["users"]] == [("ann", 1)]


def test_counts_of_events_do_not_change(ask, product):
    links = [link("anonymous", "ann")]
    of_events = stats("timeseries", span(), metric="events", breakdown="property:page")
    assert ask(BEFORE_AND_AFTER, links, of_events) == product.ask(replace(of_events, identity="raw"), BEFORE_AND_AFTER)


def test_a_cursor_counts_for_the_identity_of_its_page(product):
    product.fill(BEFORE_AND_AFTER)
    url = f"{product.query.url}/users"
    cursor = product.session.get(url, params={"limit": 1}, timeout=30).json()["next_cursor"]
    answer = product.session.get(url, params={"cursor": cursor, "identity": "raw"}, timeout=30)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "other_filters")


@pytest.mark.parametrize("question", [stats("users", span()), funnel(span(), [("view", {}), ("buy", {})])])
def test_no_other_identity(product, question):
    answer = product.get(replace(question, identity="person"))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_choice")
