"""Ranges of days in a real browser: of years ago, of one day, and of days that aren't over."""

import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

OLD = datetime(2015, 5, 17, 12, tzinfo=UTC)


def noon():
    """A zone in which it is noon, or a while after it: its days don't end while the tests run."""
    hours = 12 - datetime.now(UTC).hour
    return "UTC" if hours == 0 else f"Etc/GMT{-hours:+d}"  # POSIX counts to the west


def event(user, time):
    return {
        "user_id": user, "event_type": "page_view", "timestamp": time.isoformat(), "event_id": str(uuid.uuid4()),
        "properties": {"page": "/"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def zone():
    return noon()


@pytest.fixture(scope="module")
def ranged(serve_events, zone):
    """Four events of May 2015; three in the night of today and of yesterday, two more in yesterday's evening, one the day before."""
    today = datetime.now(ZoneInfo(zone)).replace(hour=0, minute=30)
    events = [event("old", OLD + timedelta(days=number)) for number in range(4)]
    events += [event(f"u{number}", today - timedelta(days=day)) for number in range(3) for day in (0, 1)]
    events += [event(f"v{number}", today - timedelta(days=1) + timedelta(hours=22)) for number in range(2)]
    events.append(event("u0", today - timedelta(days=2)))
    with serve_events(events) as dashboard:
        yield dashboard


def tile(visitor, name):
    """All that the first box of this name says."""
    box = visitor.page.locator("[data-testid=stMetric]").filter(has_text=name).first
    return [line for line in box.inner_text().split("\n") if line]


def test_days_of_years_ago_can_be_shown(visit, ranged):
    visitor = visit(ranged).open("", range="dates", days=["2015-05-17", "2015-05-20"])
    assert visitor.tile("Events") == "4"
    assert "days=2015-05-17&days=2015-05-20" in visitor.page.url


def test_a_day_as_a_range_stays_one(visit, ranged):
    visitor = visit(ranged).open("", range="dates", days=["2015-05-18", "2015-05-18"])
    visitor.page.get_by_role("heading", name="18 May 2015").wait_for()
    assert visitor.tile("Events") == "1"
    assert "days=2015-05-18&days=2015-05-18" in visitor.page.url
    inputs = visitor.page.get_by_test_id("stDateInput").locator("input")
    assert inputs.evaluate_all("all => all.map(one => one.value)") == ["2015-05-18", "2015-05-18"]


@pytest.mark.parametrize("days", [["2015-05-17", "yesterday"], ["0001-01-01", "2015-05-20"]])
def test_days_that_cant_be_used_are_said_to_be_so(visit, ranged, days):
    visitor = visit(ranged).open("", range="dates", days=days)
    sentence = visitor.page.locator("[data-testid=stSidebar] [data-testid=stAlert]").inner_text()
    assert f"“{', '.join(days)}” in the link isn't used" in sentence


def test_days_go_along_to_other_pages(visit, ranged):
    visitor = visit(ranged).open("", range="dates", days=["2015-05-17", "2015-05-20"])
    visitor.page.get_by_role("link", name="Sessions").click()
    visitor.page.get_by_role("heading", name="Sessions", level=1).wait_for()
    visitor.page.wait_for_url("**days=2015-05-17&days=2015-05-20**")
    visitor.wait()
    assert visitor.tile("Sessions") == "4"


def test_a_day_that_isnt_over_is_compared_with_the_same_part_of_the_day_before(visit, ranged, zone):
    visitor = visit(ranged).open("", range="today", tz=zone)
    assert tile(visitor, "Events")[1:] == ["3", "+0.0%", "from 3"]
    assert ", until 1" in visitor.page.get_by_text("Compared with").inner_text()


def test_a_period_in_which_events_began_isnt_compared_with(visit, ranged, zone):
    visitor = visit(ranged).open("", range="7 days", tz=zone)
    assert tile(visitor, "Events")[1:] == ["9"]
    visitor.page.get_by_text("Not compared with").wait_for()


def test_the_axis_of_a_small_count_has_each_number_once(visit, ranged, zone):
    visitor = visit(ranged).open("", range="today", tz=zone)
    axis = visitor.page.get_by_label("Events over time").locator(".ytick")
    axis.first.wait_for(state="attached")
    assert axis.all_text_contents() == ["0", "1", "2", "3"]
