"""The small modules: days, numbers, conditions, the table of events."""

import threading
from datetime import UTC, date, datetime

import pytest

from event_tracker.dashboard.charts import numbers
from event_tracker.dashboard.charts.event_table import as_frame
from event_tracker.dashboard.client.api import CONCURRENCY, run_concurrently
from event_tracker.dashboard.client.service import UnavailableError
from event_tracker.dashboard.filters import conditions
from event_tracker.dashboard.filters.period import Period

NONE = numbers.NONE


@pytest.mark.parametrize(
    ("first", "last", "zone", "bounds"),
    [
        ("2026-11-01", "2026-11-02", "UTC", ("2026-11-01T00:00:00+00:00", "2026-11-03T00:00:00+00:00")),
        ("2026-10-25", "2026-10-25", "Europe/Berlin", ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00")),
        # Midnight didn't exist on that day in Beirut: 00:00 with the offset before is the same moment as 01:00 with the one after.
        ("2026-03-29", "2026-03-29", "Asia/Beirut", ("2026-03-29T00:00:00+02:00", "2026-03-30T00:00:00+03:00")),
    ],
)
def test_a_period_runs_from_midnight_to_midnight_where_its_zone_has_it(first, last, zone, bounds):
    period = Period(date.fromisoformat(first), date.fromisoformat(last), zone)
    assert period.parameters == {"from": bounds[0], "to": bounds[1], "tz": zone}


def test_the_period_before_has_as_many_days():
    period = Period(date(2026, 3, 1), date(2026, 3, 31), "UTC")
    assert period.before() == Period(date(2026, 1, 29), date(2026, 2, 28), "UTC")
    assert period.before().days == period.days == 31


def test_a_period_under_way_is_compared_with_the_same_part_of_the_one_before():
    week = Period(date(2026, 3, 25), date(2026, 3, 31), "Europe/Berlin")
    before = week.before(datetime(2026, 3, 31, 12, 58, 30, tzinfo=UTC))
    # In between, on 29 March, clocks went forward: 14:58 on both days.
    assert before.bounds == {"from": "2026-03-18T00:00:00+01:00", "to": "2026-03-24T14:58:00+01:00"}
    assert str(before) == "18 Mar 2026 to 24 Mar 2026, until 14:58"
    assert week.before(datetime(2026, 3, 31, 22, tzinfo=UTC)) == week.before(datetime(2026, 3, 1, tzinfo=UTC))
    assert str(week.before(datetime(2026, 4, 1, tzinfo=UTC))) == "18 Mar 2026 to 24 Mar 2026"


def test_questions_are_asked_beside_each_other():
    all_asked = threading.Barrier(CONCURRENCY, timeout=60)

    def ask(number):
        all_asked.wait()
        if number == 0:
            raise UnavailableError("none")
        return number

    with run_concurrently(ask) as later:
        refused, *answers = [later(number) for number in range(CONCURRENCY)]
        assert [answer() for answer in answers] == list(range(1, CONCURRENCY))
        with pytest.raises(UnavailableError):
            refused()


def test_the_latest_days_end_today():
    period = Period.latest(7, "Pacific/Kiritimati")
    assert (period.last - period.first).days == 6


@pytest.mark.parametrize(
    ("days", "interval"), [(1, "hour"), (3, "hour"), (4, "day"), (92, "day"), (93, "week"), (401, "month")]
)
def test_a_longer_period_has_longer_intervals(days, interval):
    assert (
        Period(date(2025, 1, 1), date.fromordinal(date(2025, 1, 1).toordinal() + days - 1), "UTC").interval == interval
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, NONE), (0, "0 s"), (12.5, "12.5 s"), (43.404, "43.404 s"), (60, "1 min"), (200, "3 min 20 s"), (3599.7, "60 min"),
     (3600, "1 h"), (7500, "2 h 5 min"), (86400, "1 d"), (273600, "3 d 4 h")],
)  # fmt: skip
def test_a_duration_has_two_units_at_most(seconds, text):
    assert numbers.duration(seconds) == text


def test_counts_are_exact_and_shares_have_a_decimal():
    assert numbers.count(1234567) == "1,234,567"
    assert numbers.share(0.12345) == "12.3%"
    assert numbers.share(None) == numbers.average(None) == NONE
    assert numbers.change(150, 100) == "+50.0%"
    assert numbers.change(1500, 0) == "+1,500"


def test_conditions_are_equalities_alone():
    typed = ["page=/a=b", "plan=", "a->b=c", "page", "=x", "page!=/x", "amount>=5", "amount<=5", "amount>5", "page~=x"]
    assert [one for one in typed if conditions.is_condition(one)] == ["page=/a=b", "plan=", "a->b=c"]


def test_a_condition_is_split_at_its_first_equals_sign():
    assert conditions.by_name(["page=/?a=b", "plan="]) == {"page": "/?a=b", "plan": ""}


def test_events_have_a_column_for_each_property_and_mixed_values_stay_apart():
    base = {"user_id": "ann", "event_type": "view", "timestamp": "2026-11-01T10:00:00Z", "event_id": "1", "session_id": None,
            "received_at": "2026-11-01T10:00:01.5Z", "source": "default"}  # fmt: skip
    frame = as_frame(
        [
            {**base, "properties": {"amount": 1, "mixed": "1"}},
            {**base, "properties": {"mixed": {"a": True}, "user_id": "x"}},
        ],
        "Europe/Berlin",
    )
    assert list(frame.columns) == ["timestamp", "user_id", "event_type", "session_id", ".amount", ".mixed", ".user_id", "source",
                                   "event_id", "received_at"]  # fmt: skip
    assert frame["timestamp"][0].isoformat() == "2026-11-01T11:00:00+01:00"
    assert frame[".amount"][0] == 1
    assert list(frame[".mixed"]) == ["1", '{"a":true}']


def test_numbers_of_events_are_shown_as_they_were_sent():
    base = {"user_id": "ann", "event_type": "view", "timestamp": "2026-11-01T10:00:00Z", "event_id": "1", "session_id": None,
            "received_at": "2026-11-01T10:00:01.5Z", "source": "default"}  # fmt: skip
    sent = [
        {"order_id": 2**53 + 1, "few": 7, "amount": 1, "huge": 10**30, "flag": True},
        {"order_id": 2**53 + 3, "amount": 2.5},
        {},
    ]
    frame = as_frame([{**base, "properties": properties} for properties in sent], "UTC")
    assert list(frame[".order_id"]) == ["9007199254740993", "9007199254740995", None]
    assert list(frame[".huge"]) == [str(10**30), None, None]
    assert list(frame[".flag"]) == ["true", None, None]
    assert (frame[".few"][0], str(frame[".few"].dtype)) == (7, "Int64")
    assert list(frame[".amount"].dropna()) == [1, 2.5]
