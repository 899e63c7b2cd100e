"""Ranges, local calendar intervals and filters, as GET /stats/timeseries has them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given

from . import make, question_strategies
from .product import Question, refused
from .questions import T0, funnel, span, stats
from .strategies import EXAMPLES, cases, utc


@EXAMPLES
@given(case=cases(question_strategies.timeseries, days=2))
def test_timeseries_are_as_defined(product, case):
    product.holds(*case)


@EXAMPLES
@given(case=cases(question_strategies.timeseries, days=40))
def test_long_timeseries_are_as_defined(product, case):
    product.holds(*case)


def values(body):
    (series,) = body["series"]
    return series["values"]


def test_an_event_at_from_is_inside_and_an_event_at_to_is_not(ask):
    events = [make.event("ann", at) for at in (-0.000001, 0, 3599.999999, 3600)]
    body = ask(events, stats("timeseries", span(end=timedelta(hours=1)), interval="hour"))
    assert values(body) == [2]


def test_ranges_that_touch_share_no_event(ask, product):
    events = [make.event("ann", at) for at in (0, 1000, 1000.000001, 2000)]
    edge = T0 + timedelta(seconds=1000)
    first = values(ask(events, stats("timeseries", span(T0, edge))))
    assert (first, values(product.ask(stats("timeseries", span(edge, timedelta(hours=1))), events))) == ([1], [3])


def test_an_empty_range_has_no_points(ask):
    events = [make.event("ann", 1800)]
    empty = span(T0 + timedelta(seconds=1800), timedelta())
    body = ask(events, stats("timeseries", empty))
    assert (body["points"], body["series"]) == ([], [{"kind": "all", "key": None, "values": [], "total": 0}])
    body = ask(events, stats("users", empty))
    assert (body["points"], body["active"]) == ([], 0)
    body = ask(events, stats("sessions", empty))
    assert (body["sessions"], body["bounce_rate"]) == (0, None)
    assert ask(events, stats("retention", empty))["cohorts"] == []
    assert ask(events, stats("top-properties", empty, key="page"))["items"] == []
    assert ask(events, stats("paths", empty))["occurrences"] == 0


def test_a_date_begins_at_its_first_moment(product):
    for zone, date, moment in [
        ("UTC", "2025-03-01", "2025-03-01T00:00:00Z"),
        ("Europe/Paris", "2025-03-31", "2025-03-31T00:00:00+02:00"),
        ("America/Havana", "2025-11-02", "2025-11-02T00:00:00-04:00"),
        ("America/Havana", "2025-03-09", "2025-03-09T01:00:00-04:00"),
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"),
    ]:
        parameters = [("from", date), ("to", date), ("tz", zone)]
        body = product.get(Question("/stats/timeseries", parameters, lambda events: {})).json()
        assert (body["from"], body["to"]) == (moment, moment), zone


def test_by_default_the_range_is_the_last_thirty_days_with_today(product):
    for zone in ["UTC", "Europe/Paris", "Pacific/Kiritimati"]:
        before = datetime.now(ZoneInfo(zone)).date()
        body = product.get(Question("/stats/timeseries", [("tz", zone)], lambda events: {})).json()
        after = datetime.now(ZoneInfo(zone)).date()
        start, end = datetime.fromisoformat(body["from"]), datetime.fromisoformat(body["to"])
        assert end.date() - timedelta(days=1) in (before, after)
        assert end.date() - start.date() == timedelta(days=30)
        assert len(body["points"]) == 30


def test_the_default_beginning_keeps_the_local_time(product):
    for to, expected in [
        ("2025-04-15T12:00:00+02:00", "2025-03-16T12:00:00+01:00"),
        ("2025-04-29T02:30:00+02:00", "2025-03-30T03:30:00+02:00"),  # 02:30 doesn't exist on 30 March
        ("2025-11-25T02:30:00+01:00", "2025-10-26T02:30:00+02:00"),  # 02:30 exists twice on 26 October
    ]:
        parameters = [("to", to), ("tz", "Europe/Paris")]
        body = product.get(Question("/stats/timeseries", parameters, lambda events: {})).json()
        assert (body["from"], body["to"]) == (expected, to)


def test_properties_are_compared_as_text(ask, product):
    events = [make.event("ann", page=value) for value in ("1", 1, True, {"a": 1}, None)] + [make.event("ann")]
    ask(events, stats("timeseries", span()))
    for value, count in [("1", 2), ("true", 1), ('{"a": 1}', 1), ("null", 0), ("", 0)]:
        question = stats("timeseries", span(properties={"page": value}))
        assert values(product.ask(question, events)) == [count], value


def test_numbers_in_any_spelling_are_equal(ask, product):
    long = 9_007_199_254_740_993
    stored = [20, 20.0, "20", "20.00", "020", "+20", "2e1", "20.", " 20", 200, "2", True, long, f"{long}.0", long + 1]
    stored += [0, -0.0, "0.000", "-0.0", -1.50, "-1.5", "1e400", "1" + "0" * 400 + ".0", "0" * 400]
    events = [make.event("ann", page=value) for value in stored]
    ask(events, stats("timeseries", span()))
    expected = [
        ("20", 4), ("20.0", 4), ("20.000", 4), ("020", 1), ("+20", 1), ("2e1", 1), ("20.", 1), (" 20", 1), ("200", 1), ("1", 0),
        (str(long), 2), (f"{long}.00", 2), (str(long + 1), 1), ("0", 3), ("0.0", 3), ("-0", 1), ("-1.500", 2),
        ("1e400", 1), ("1" + "0" * 400, 1), ("0" * 400, 1), ("0" * 401, 0),
    ]  # fmt: skip
    for value, count in expected:
        chosen = span(properties={"page": value})
        assert values(product.ask(stats("timeseries", chosen), events)) == [count], value
        (first, _) = product.ask(funnel(span(), [("view", {"page": value}), ("view", {})]), events)["steps"]
        assert first["users"] == (count > 0), value


def test_a_day_has_23_or_25_hours_when_the_clocks_change(ask):
    paris = {"zone": "Europe/Paris"}
    spring = ask(
        [], stats("timeseries", span(utc("2025-03-29T23:00Z"), utc("2025-03-30T22:00Z"), **paris), interval="hour")
    )
    assert len(spring["points"]) == 23
    assert spring["points"][1:3] == ["2025-03-30T01:00:00+01:00", "2025-03-30T03:00:00+02:00"]

    twice = [
        make.event("ann", utc("2025-10-26T00:30Z")),
        make.event("ann", utc("2025-10-26T01:30Z")),
        make.event("ann", utc("2025-10-26T01:31Z")),
    ]
    day = span(utc("2025-10-25T22:00Z"), utc("2025-10-26T23:00Z"), **paris)
    autumn = ask(twice, stats("timeseries", day, interval="hour"))
    assert len(autumn["points"]) == 25
    assert autumn["points"][2:4] == ["2025-10-26T02:00:00+02:00", "2025-10-26T02:00:00+01:00"]
    assert values(autumn)[1:5] == [0, 1, 2, 0]
    assert values(ask(twice, stats("timeseries", day, interval="day"))) == [3]


def test_weeks_begin_on_monday(ask):
    sunday, monday = make.event("ann", utc("2025-03-02T23:59:59.999999Z")), make.event("ann", utc("2025-03-03T00:00Z"))
    body = ask([sunday, monday], stats("timeseries", span(T0, timedelta(days=7)), interval="week"))
    assert (body["points"], values(body)) == (["2025-02-24T00:00:00Z", "2025-03-03T00:00:00Z"], [1, 1])


def test_the_first_interval_may_begin_before_from(ask):
    start = T0 + timedelta(hours=12, minutes=30)
    events = [make.event("ann", 12.2 * 3600), make.event("ann", 12.6 * 3600)]
    for interval, first in [
        ("hour", "2025-03-01T12:00:00Z"),
        ("day", "2025-03-01T00:00:00Z"),
        ("month", "2025-03-01T00:00:00Z"),
    ]:
        body = ask(events, stats("timeseries", span(start, timedelta(hours=1)), interval=interval))
        assert (body["points"][0], values(body)[0]) == (first, 1)


def test_a_midnight_that_happens_twice_begins_its_day_the_first_time(ask):
    events = [make.event("ann", utc(f"2025-11-02T{time}Z")) for time in ("03:59", "04:00", "04:30", "05:00")]
    days = span(utc("2025-11-01T04:00Z"), utc("2025-11-03T05:00Z"), "America/Havana")
    body = ask(events, stats("timeseries", days))
    assert body["points"] == ["2025-11-01T00:00:00-04:00", "2025-11-02T00:00:00-04:00"]
    assert values(body) == [1, 3]


def test_a_midnight_that_does_not_exist_begins_its_day_at_the_change(ask):
    events = [make.event("ann", utc("2025-03-09T04:59Z")), make.event("ann", utc("2025-03-09T05:00Z"))]
    days = span(utc("2025-03-08T05:00Z"), utc("2025-03-10T04:00Z"), "America/Havana")
    body = ask(events, stats("timeseries", days))
    assert body["points"] == ["2025-03-08T00:00:00-05:00", "2025-03-09T01:00:00-04:00"]
    assert values(body) == [1, 1]


def test_a_removed_day_is_no_point(ask):
    events = [make.event("ann", utc("2011-12-30T09:59Z")), make.event("ann", utc("2011-12-30T10:00Z"))]
    days = span(utc("2011-12-29T10:00Z"), utc("2011-12-31T10:00Z"), "Pacific/Apia")
    body = ask(events, stats("timeseries", days))
    assert body["points"] == ["2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00"]
    assert values(body) == [1, 1]


def test_a_change_of_half_an_hour_begins_a_new_hour(ask):
    howe = {"zone": "Australia/Lord_Howe"}
    events = [make.event("ann", utc(f"2025-04-05T{time}Z")) for time in ("14:45", "15:00", "15:29", "15:30")]
    body = ask(
        events, stats("timeseries", span(utc("2025-04-05T14:00Z"), utc("2025-04-05T16:30Z"), **howe), interval="hour")
    )
    assert body["points"] == ["2025-04-06T01:00:00+11:00", "2025-04-06T01:30:00+10:30", "2025-04-06T02:00:00+10:30"]
    assert values(body) == [1, 2, 1]
    spring = span(utc("2025-10-04T14:30Z"), utc("2025-10-04T17:00Z"), **howe)
    points = ask([], stats("timeseries", spring, interval="hour"))["points"]
    assert points == ["2025-10-05T01:00:00+10:30", "2025-10-05T02:30:00+11:00", "2025-10-05T03:00:00+11:00"]


def test_intervals_follow_the_zone_where_its_midnight_is_inside_an_hour_of_utc(ask):
    events = [make.event("ann", utc("2025-01-26T18:29Z")), make.event("ann", utc("2025-01-26T18:31Z"))]
    days = span(utc("2025-01-25T18:30Z"), utc("2025-01-27T18:30Z"), "Asia/Kolkata")
    body = ask(events, stats("timeseries", days))
    assert body["points"] == ["2025-01-26T00:00:00+05:30", "2025-01-27T00:00:00+05:30"]
    assert values(body) == [1, 1]


def test_more_than_a_thousand_points_are_refused(ask, product):
    for interval, length in [
        ("minute", timedelta(minutes=1)),
        ("hour", timedelta(hours=1)),
        ("day", timedelta(days=1)),
    ]:
        body = ask([], stats("timeseries", span(end=1000 * length), interval=interval))
        assert len(body["points"]) == 1000
        more = stats("timeseries", span(end=1000 * length + timedelta(microseconds=1)), interval=interval)
        assert refused(product.get(more)) == ["too_many_points"]
    assert refused(product.get(stats("users", span(end=timedelta(days=1001))))) == ["too_many_points"]


def test_a_range_may_be_said_in_any_offset(ask, product):
    events = [make.event("ann", 0), make.event("ann", 3599)]
    ask(events, stats("timeseries", span()))
    parameters = [("from", "2025-03-01T05:30:00+05:30"), ("to", "2025-02-28T20:00:00-05:00"), ("tz", "Europe/Paris")]
    body = product.get(Question("/stats/timeseries", parameters, lambda events: {})).json()
    assert (body["from"], body["to"]) == ("2025-03-01T01:00:00+01:00", "2025-03-01T02:00:00+01:00")
    assert (values(body), datetime.fromisoformat(body["as_of"]).tzinfo) == ([2], UTC)
