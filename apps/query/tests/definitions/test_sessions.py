"""What a session is, and GET /stats/sessions."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given

from . import make, question_strategies
from .questions import T0, funnel, span, stats, user
from .strategies import EXAMPLES, cases

SESSIONS = stats("sessions", span())
MICROSECOND = 0.000001
DAY = 86_400
TEN_DAYS = span(end=timedelta(days=10))


@EXAMPLES
@given(case=cases(question_strategies.sessions))
def test_sessions_are_as_defined(product, case):
    product.holds(*case)


def test_exactly_the_gap_is_the_same_session(ask):
    events = [make.event("ann", 0), make.event("ann", 1800), make.event("ann", 3600 + MICROSECOND)]
    assert ask(events, SESSIONS)["sessions"] == 2
    assert ask(events, stats("sessions", span(), gap=1801))["sessions"] == 1


def test_a_session_id_lasts_however_long_the_pause(ask):
    body = ask([make.event("ann", 0, session_id="s"), make.event("ann", 80_000, session_id="s")], SESSIONS)
    assert (body["sessions"], body["duration"]["max"]) == (1, 80_000)


def durations(ask, events, **options):
    """How many sessions there are in ten days, and how long the longest and all together last, in seconds."""
    body = ask(events, stats("sessions", TEN_DAYS, **options))
    return body["sessions"], body["duration"]["max"], round(body["duration"]["mean"] * body["sessions"])


def test_exactly_the_longest_session_is_one(ask):
    events = [make.event("ann", at, session_id="s") for at in (0, DAY, DAY + MICROSECOND)]
    assert durations(ask, events) == (2, DAY, DAY)
    assert durations(ask, events, longest=DAY + 1)[0] == 1
    assert ask(events, user(TEN_DAYS, "ann"))["range"]["sessions"] == 2


def test_the_first_event_that_comes_too_late_begins_the_next_session(ask):
    """Not the moment at which the one before has lasted its longest: the third event is more than a day after that."""
    events = [make.event("ann", at * DAY, str(at), session_id="s") for at in (0, 1.5, 2.4, 2.6, 3.5)]
    assert durations(ask, events)[:2] == (3, 0.9 * DAY)
    body = ask(events, stats("sessions", TEN_DAYS))
    assert [entry["key"] for entry in body["entries"]] == ["0", "1.5", "2.6"]
    paths = ask(events, stats("paths", TEN_DAYS))["paths"]
    assert [path["keys"] for path in paths] == [["0"], ["1.5", "2.4"], ["2.6", "3.5"]]


def test_no_session_lasts_longer_with_an_id_or_without(ask):
    half_hours = [make.event("ann", 1800 * n) for n in range(100)]
    assert durations(ask, half_hours) == (3, DAY, 2 * DAY + 1800)
    named = [make.event("ann", 1800 * n, session_id="s") for n in range(100)]
    assert durations(ask, named + half_hours, longest=3600) == (68, 3600, 66 * 3600)


def test_a_series_counts_a_cut_session_as_many(ask):
    events = [make.event("ann", at * DAY, str(at % 2), session_id="s") for at in (0, 1, 2, 3)] + [
        make.event("bob", 0, "0")
    ]
    asked = stats("timeseries", span(end=timedelta(days=4)), metric="sessions", breakdown="event_type")
    by_type = {one["key"]: (one["values"], one["total"]) for one in ask(events, asked)["series"]}
    assert by_type == {"0": ([2, 0, 1, 0], 3), "1": ([0, 1, 0, 1], 2)}


@pytest.mark.parametrize("read", ["from rows", "from blocks", "from both"])
def test_a_long_session_is_cut_however_its_days_are_known(product, read):
    """Over the borders of days that are in blocks, or not, and of ranges that begin and end within one."""
    stored = [make.event("ann", at * DAY / 4, str(at), session_id="s", source="shop") for at in range(9)]
    stored += [make.event("ann", at * 1200, "short", source="shop") for at in range(3)]
    stored += [make.event("bob", 1200 * n) for n in range(200)]
    product.clear()
    product.store(stored)
    if read != "from rows":
        product.build_blocks()
    if read == "from both":
        late = [make.event("ann", DAY * 1.1, "late", session_id="s", source="shop")]
        product.store(late)
        stored += late
    for selection in (TEN_DAYS, span(T0 + timedelta(hours=5), timedelta(days=2))):
        for longest in (3600, 40_000, DAY, 2 * DAY):
            for sources in (None, ("shop",)):
                for name in ("sessions", "paths"):
                    product.ask(replace(stats(name, selection, longest=longest), sources=sources), stored)


def test_the_setting_is_the_default_and_a_question_may_say_otherwise(make_product):
    product = make_product(LONGEST_SESSION_SECONDS="3600")
    events = [make.event("ann", at, session_id="s") for at in (0, 3600, 3601)]
    product.store(events)

    def sessions(path, **parameters):
        bounds = {"from": T0.isoformat(), "to": (T0 + timedelta(days=1)).isoformat()}
        answer = product.session.get(f"{product.query.url}{path}", params={**bounds, **parameters}, timeout=30)
        return answer.json()

    body = sessions("/stats/sessions")
    assert (body["longest"], body["sessions"]) == (3600, 2)
    assert sessions("/stats/timeseries", metric="sessions")["series"][0]["total"] == 2
    assert sessions("/stats/paths")["occurrences"] == 2
    assert sessions("/users/ann")["range"]["sessions"] == 2
    assert sessions("/user", user_id="ann")["range"]["sessions"] == 2
    body = sessions("/stats/sessions", longest=3601)
    assert (body["longest"], body["sessions"]) == (3601, 1)


def test_two_users_with_one_session_id_have_two_sessions(ask):
    body = ask([make.event("ann", session_id="s"), make.event("bob", session_id="s")], SESSIONS)
    assert (body["sessions"], body["users"], body["bounces"]) == (2, 2, 2)


def test_events_with_and_without_an_id_are_never_one_session(ask):
    named = make.event("ann", 1000, session_id="s")
    assert ask([make.event("ann", 0), named, make.event("ann", 1700)], SESSIONS)["sessions"] == 2
    assert ask([make.event("ann", 0), named, make.event("ann", 2000)], SESSIONS)["sessions"] == 3


def test_a_session_across_an_edge_counts_by_its_part_inside(ask):
    events = [
        make.event("ann", -60, "before"),
        make.event("ann", 0, "first"),
        make.event("ann", 60, "last"),
        make.event("ann", 86_400, "after"),
    ]
    body = ask(events, SESSIONS)
    assert (body["sessions"], body["events"], body["duration"]["max"]) == (1, 2, 60)
    assert (body["entries"][0]["key"], body["exits"][0]["key"]) == ("first", "last")


def test_midnight_does_not_end_a_session(ask):
    events = [make.event("ann", 86_399), make.event("ann", 86_401)]
    assert ask(events, stats("sessions", span(end=timedelta(days=2))))["sessions"] == 1
    (series,) = ask(events, stats("timeseries", span(end=timedelta(days=2)), metric="sessions"))["series"]
    assert (series["values"], series["total"]) == ([1, 1], 1)


def test_a_bounce_is_one_event(ask):
    body = ask([make.event("ann", 0), make.event("ann", 0), make.event("bob", 0)], SESSIONS)
    assert (body["sessions"], body["bounces"], body["bounce_rate"], body["events_per_session"]) == (2, 1, 0.5, 1.5)


def test_a_bounce_lasts_zero_seconds_and_counts_in_every_average(ask):
    body = ask([make.event("ann", 0), make.event("bob", 0), make.event("bob", 100)], SESSIONS)
    assert (body["duration"]["mean"], body["duration"]["median"]) == (50, 50)


def test_median_and_percentile_interpolate(ask):
    events = [make.event(f"u{n}", at) for n in range(4) for at in (0, 10.0 * n)]
    assert ask(events, SESSIONS)["duration"] == {"mean": 15, "median": 15, "p90": 27, "max": 30}


def test_without_sessions_rates_and_durations_are_null(ask):
    body = ask([], SESSIONS)
    assert body["duration"] == {"mean": None, "median": None, "p90": None, "max": None}
    assert (body["sessions"], body["bounce_rate"], body["events_per_session"]) == (0, None, None)
    assert (body["entries"], body["exits"]) == ([], [])


def test_entries_without_the_property_have_the_key_null(ask):
    by_page = stats("sessions", span(), by="property:page")
    events = [
        make.event("ann"),
        make.event("bob", page="/"),
        make.event("cem", page=None),
        make.event("dan", page="/"),
        make.event("eve", page="/a"),
    ]
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
    """In answers from rows, and in those from blocks."""
    product.clear()
    events = [
        make.event("ann", 60, name, event_id=event_id, session_id=session_id)
        for name, event_id in zip(("first", "second"), ids, strict=True)
    ]
    product.store(events, request_size)
    paths, steps = stats("paths", span()), [("first", {}), ("second", {})]
    for summarise in (False, True):
        if summarise:
            product.build_blocks()
        body = product.ask(SESSIONS, events)
        assert (body["entries"][0]["key"], body["exits"][0]["key"]) == ("first", "second")
        assert product.ask(paths, events)["paths"][0]["keys"] == ["first", "second"]
        assert product.ask(funnel(span(), steps), events)["steps"][1]["users"] == 1
    listed = product.session.get(f"{product.query.url}/events?user_id=ann", timeout=30).json()["events"]
    assert [event["event_type"] for event in listed] == ["second", "first"]


def test_a_session_consists_of_selected_events_alone(ask):
    events = [
        make.event("ann", 0),
        make.event("ann", 1000, "buy"),
        make.event("ann", 2000),
        make.event("bob"),
        make.event("bob", 1, "buy"),
    ]
    assert ask(events, SESSIONS)["sessions"] == 2
    body = ask(events, stats("sessions", span(types=["view"])))
    assert (body["sessions"], body["bounces"]) == (3, 3)


def test_a_late_event_is_where_its_timestamp_puts_it(ask, product):
    early, bridge, late = make.event("ann", 0), make.event("ann", 1500), make.event("ann", 3000)
    assert ask([early, late], stats("sessions", span(T0)))["sessions"] == 2
    product.store([bridge])
    assert product.ask(SESSIONS, [early, bridge, late])["sessions"] == 1
