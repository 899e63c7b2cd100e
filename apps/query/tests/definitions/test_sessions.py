"""What a session is, and GET /stats/sessions."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given

from . import asked
from .questions import T0, funnel, span, stats
from .some import an
from .strategies import EXAMPLES, cases

SESSIONS = stats("sessions", span())
MICROSECOND = 0.000001


@EXAMPLES
@given(case=cases(asked.sessions))
def test_sessions_are_as_defined(product, case):
    product.holds(*case)


def test_exactly_the_gap_is_the_same_session(ask):
    events = [an("ann", 0), an("ann", 1800), an("ann", 3600 + MICROSECOND)]
    assert ask(events, SESSIONS)["sessions"] == 2
    assert ask(events, stats("sessions", span(), gap=1801))["sessions"] == 1


def test_a_session_id_lasts_however_long_the_pause(ask):
    body = ask([an("ann", 0, session_id="s"), an("ann", 80_000, session_id="s")], SESSIONS)
    assert (body["sessions"], body["duration"]["max"]) == (1, 80_000)


def test_two_users_with_one_session_id_have_two_sessions(ask):
    body = ask([an("ann", session_id="s"), an("bob", session_id="s")], SESSIONS)
    assert (body["sessions"], body["users"], body["bounces"]) == (2, 2, 2)


def test_events_with_and_without_an_id_are_never_one_session(ask):
    named = an("ann", 1000, session_id="s")
    assert ask([an("ann", 0), named, an("ann", 1700)], SESSIONS)["sessions"] == 2
    assert ask([an("ann", 0), named, an("ann", 2000)], SESSIONS)["sessions"] == 3


def test_a_session_across_an_edge_counts_by_its_part_inside(ask):
    events = [an("ann", -60, "before"), an("ann", 0, "first"), an("ann", 60, "last"), an("ann", 86_400, "after")]
    body = ask(events, SESSIONS)
    assert (body["sessions"], body["events"], body["duration"]["max"]) == (1, 2, 60)
    assert (body["entries"][0]["key"], body["exits"][0]["key"]) == ("first", "last")


def test_midnight_does_not_end_a_session(ask):
    events = [an("ann", 86_399), an("ann", 86_401)]
    assert ask(events, stats("sessions", span(end=timedelta(days=2))))["sessions"] == 1
    (series,) = ask(events, stats("timeseries", span(end=timedelta(days=2)), metric="sessions"))["series"]
    assert (series["values"], series["total"]) == ([1, 1], 1)


def test_a_bounce_is_one_event(ask):
    body = ask([an("ann", 0), an("ann", 0), an("bob", 0)], SESSIONS)
    assert (body["sessions"], body["bounces"], body["bounce_rate"], body["events_per_session"]) == (2, 1, 0.5, 1.5)


def test_a_bounce_lasts_zero_seconds_and_counts_in_every_average(ask):
    body = ask([an("ann", 0), an("bob", 0), an("bob", 100)], SESSIONS)
    assert (body["duration"]["mean"], body["duration"]["median"]) == (50, 50)


def test_median_and_percentile_interpolate(ask):
    events = [an(f"u{n}", at) for n in range(4) for at in (0, 10.0 * n)]
    assert ask(events, SESSIONS)["duration"] == {"mean": 15, "median": 15, "p90": 27, "max": 30}


def test_without_sessions_rates_and_durations_are_null(ask):
    body = ask([], SESSIONS)
    assert body["duration"] == {"mean": None, "median": None, "p90": None, "max": None}
    assert (body["sessions"], body["bounce_rate"], body["events_per_session"]) == (0, None, None)
    assert (body["entries"], body["exits"]) == ([], [])


def test_entries_without_the_property_have_the_key_null(ask):
    by_page = stats("sessions", span(), by="property:page")
    events = [an("ann"), an("bob", page="/"), an("cem", page=None), an("dan", page="/"), an("eve", page="/a")]
    assert ask(events, by_page)["entries"] == [
        {"key": "/", "count": 2, "share": 0.4},
        {"key": None, "count": 2, "share": 0.4},
        {"key": "/a", "count": 1, "share": 0.2},
    ]


LOW, HIGH = UUID("7fffffff-0000-4000-8000-000000000000"), UUID("80000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize("request_size", [1, 1000])
@pytest.mark.parametrize("session_id", [None, "s"])
@pytest.mark.parametrize("ids", [(LOW, HIGH), (HIGH, LOW)], ids=["ids rise", "ids fall"])
def test_events_of_one_moment_are_in_the_order_in_which_they_arrived(product, request_size, session_id, ids):
    """In answers from events, and in those from days that are summed up."""
    product.clear()
    events = [
        an("ann", 60, name, event_id=event_id, session_id=session_id)
        for name, event_id in zip(("first", "second"), ids, strict=True)
    ]
    product.store(events, request_size)
    paths, steps = stats("paths", span()), [("first", {}), ("second", {})]
    for summarise in (False, True):
        if summarise:
            product.summarise()
        body = product.ask(SESSIONS, events)
        assert (body["entries"][0]["key"], body["exits"][0]["key"]) == ("first", "second")
        assert product.ask(paths, events)["paths"][0]["keys"] == ["first", "second"]
        assert product.ask(funnel(span(), steps), events)["steps"][1]["users"] == 1
    listed = product.session.get(f"{product.query.url}/events?user_id=ann", timeout=30).json()["events"]
    assert [event["event_type"] for event in listed] == ["second", "first"]


def test_a_session_consists_of_selected_events_alone(ask):
    events = [an("ann", 0), an("ann", 1000, "buy"), an("ann", 2000), an("bob"), an("bob", 1, "buy")]
    assert ask(events, SESSIONS)["sessions"] == 2
    body = ask(events, stats("sessions", span(types=["view"])))
    assert (body["sessions"], body["bounces"]) == (3, 3)


def test_a_late_event_is_where_its_timestamp_puts_it(ask, product):
    early, bridge, late = an("ann", 0), an("ann", 1500), an("ann", 3000)
    assert ask([early, late], stats("sessions", span(T0)))["sessions"] == 2
    product.store([bridge])
    assert product.ask(SESSIONS, [early, bridge, late])["sessions"] == 1
