"""Clicks on charts in a real browser: a point in time narrows the range, a bar of a type filters by it, others open events."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest


def click(visitor, chart, mark, number):
    """Click on a mark of a chart. Plotly has a layer above all of them, which takes the clicks."""
    marks = visitor.page.get_by_label(chart).locator(mark)
    marks.nth(number).scroll_into_view_if_needed()
    box = marks.nth(number).bounding_box()
    visitor.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return visitor


def days_of(visitor):
    asked = parse_qs(urlsplit(visitor.page.url).query)
    return asked.get("range", ["30 days"]) + asked.get("days", [])


def day(number, before):
    """The day of this number of so many days before today, today included, as text."""
    return f"{datetime.now(UTC).date() - timedelta(days=before - 1 - number)}"


def test_a_point_narrows_the_range_to_its_day_and_back_leads_back(visit, dashboard):
    visitor = visit(dashboard).open("", range="30 days")
    before = visitor.tile("Events")
    chosen = day(12, 30)
    click(visitor, "Events over time", ".scatterlayer .point", 12)
    visitor.page.wait_for_url(f"**days={chosen}&days={chosen}**")
    shown = visitor.wait().tile("Events")
    next_day = f"{datetime.fromisoformat(chosen) + timedelta(days=1):%Y-%m-%d}"
    (series,) = dashboard.ask("/stats/timeseries", **{"from": chosen, "to": next_day, "tz": "UTC"})["series"]
    assert shown == str(series["total"])
    assert shown != before
    assert visitor.page.get_by_role("combobox", name="Range", exact=True).input_value() == "dates"
    # The live part is still updated.
    as_of = visitor.page.get_by_text("As of ").inner_text()
    visitor.page.wait_for_function("text => !document.body.innerText.includes(text)", arg=as_of)
    visitor.page.go_back()
    visitor.page.wait_for_url(lambda url: "dates" not in url)
    assert visitor.wait().tile("Events") == before
    assert days_of(visitor) == ["30 days"]


def test_a_bar_of_a_week_narrows_the_range_to_its_days_within_it(visit, dashboard):
    days = [day(0, 120), day(119, 120)]
    visitor = visit(dashboard).open("", range="dates", days=days)
    answer = dashboard.ask("/stats/users", interval="week", **{"from": days[0], "to": days[1], "tz": "UTC"})
    number = next(place for place, point in enumerate(answer["points"]) if point["new"] > 3)
    # Bars of those who came back are drawn first, one for each week, however low.
    click(visitor, "New and returning users", ".barlayer .trace:nth-of-type(2) .point path", number)
    first = datetime.fromisoformat(answer["points"][number]["time"]).date()
    visitor.page.wait_for_url(f"**days={first}&days={first + timedelta(days=6)}**")
    assert visitor.wait().tile("New users") == str(answer["points"][number]["new"])
    # Two custom ranges: Back leads to the days of the one before.
    visitor.page.go_back()
    visitor.page.wait_for_url(f"**days={days[0]}&days={days[1]}**")
    assert visitor.wait().tile("New users") == str(answer["new"])
    assert days_of(visitor) == ["dates", *days]


def test_what_is_a_day_is_narrowed_no_further(visit, dashboard):
    chosen = day(20, 30)
    visitor = visit(dashboard).open("", range="dates", days=[chosen, chosen])
    assert visitor.page.get_by_text("Click a point").count() == 0
    click(visitor, "Events over time", ".scatterlayer .point", 10)
    assert days_of(visitor.wait()) == ["dates", chosen, chosen]


def test_a_bar_of_a_type_filters_the_timeline_by_it(visit, dashboard):
    visitor = visit(dashboard).open("users", user="user-36", range="90 days")
    click(visitor, "Events of this user by type", ".barlayer .point path", 1)
    visitor.page.wait_for_url("**filter=event_type%3Ais%3Apurchase**")
    visitor.wait()
    assert [row[1] for row in visitor.cells("This user's events, newest first")] == ["purchase"]


FUNNEL = {"range": "90 days", "step1": "page_view", "where1": "page=/", "step2": "purchase", "window": "1 hour"}


def shown_events(visitor, **parameters):
    """Wait for the page Explore with these parameters in its URL, and no others of their names. Return the number of its events."""
    visitor.page.get_by_role("heading", name="Explore", level=1).wait_for()
    found = visitor.wait().page.get_by_text(re.compile("^All [0-9]+ events that match"))
    asked = parse_qs(urlsplit(visitor.page.url).query)
    for name in ("range", "filter"):
        assert asked.get(name) == {"range": ["90 days"], **parameters}.get(name)
    return int(found.inner_text().split()[1])


BARS = ".barlayer .trace:nth-of-type(1) .point path"


def test_a_bar_of_a_funnel_opens_the_events_that_its_step_counts(visit, dashboard):
    visitor = visit(dashboard).open("funnels", **FUNNEL)
    click(visitor, "Users who completed each step", BARS, 1)
    assert shown_events(visitor, filter=["event_type:is:purchase"]) == 10
    visitor.page.go_back()
    visitor.page.get_by_role("heading", name="Funnels", level=1).wait_for()
    assert [row[0] for row in visitor.wait().ranking("The funnel's steps")] == ["1. page_view (page=/)", "2. purchase"]
    click(visitor, "Users who completed each step", BARS, 0)
    assert shown_events(visitor, filter=["event_type:is:page_view", "property.page:is:/"]) == 40


def test_a_step_of_a_funnel_is_a_link_to_its_events_too(visit, dashboard):
    visitor = visit(dashboard).open("funnels", **FUNNEL)
    visitor.page.get_by_role("link", name="1. page_view (page=/)").press("Enter")
    assert shown_events(visitor, filter=["event_type:is:page_view", "property.page:is:/"]) == 40


@pytest.mark.parametrize(
    ("by", "node", "chosen", "number"),
    [("event_type", "purchase", "event_type:is:purchase", 10), ("property:page", "/pricing", "property.page:is:/pricing", 40)],
)  # fmt: skip
def test_a_node_of_journeys_opens_its_events(visit, dashboard, by, node, chosen, number):
    visitor = visit(dashboard).open("journeys", range="90 days", by=by)
    visitor.page.get_by_label("What comes next").get_by_text(node, exact=True).first.click()
    assert shown_events(visitor, filter=[chosen]) == number


def test_transitions_and_journeys_are_links_to_their_events_too(visit, dashboard):
    visitor = visit(dashboard).open("journeys", range="90 days")
    visitor.page.get_by_text("The transitions as a table").click()
    assert visitor.ranking("Transitions, step by step")[:2] == [
        ["page_view → page_view", "1", "40"],
        ["page_view → (session ends)", "2", "30"],
    ]
    links = visitor.page.get_by_role("table", name="Transitions, step by step").get_by_role("link")
    assert set(links.all_inner_texts()) == {"page_view", "purchase"}
    links.filter(has_text="purchase").first.press("Enter")
    assert shown_events(visitor, filter=["event_type:is:purchase"]) == 10
    visitor.open("journeys", range="90 days")
    visitor.page.get_by_role("table", name="Most frequent journeys").get_by_role("link", name="purchase").press("Enter")
    assert shown_events(visitor, filter=["event_type:is:purchase"]) == 10


def test_what_sessions_end_with_is_a_link_to_its_events(visit, dashboard):
    visitor = visit(dashboard).open("sessions", range="90 days", by="property:page")
    found = visitor.page.get_by_role("table", name="Sessions end with").get_by_role("link")
    found.first.wait_for()
    assert found.all_inner_texts() == ["/pricing"]  # none for sessions whose last event has no page
    found.press("Enter")
    assert shown_events(visitor, filter=["property.page:is:/pricing"]) == 40


@pytest.fixture(scope="module")
def returning(serve_events):
    """A dashboard with three users: of two who were first seen five days ago, one came back two days later, with a new one."""
    visits = [("ann", 5), ("bob", 5), ("ann", 3), ("cem", 3)]
    now = datetime.now(UTC).replace(hour=1, minute=0)
    events = [
        {
            "user_id": user,
            "event_type": "view",
            "timestamp": (now - timedelta(days=days)).isoformat(),
            "event_id": str(uuid.uuid4()),
            "properties": {},
        }
        for user, days in visits
    ]
    with serve_events(events) as dashboard:
        yield dashboard


RETENTION = {"range": "7 days", "cohort": "day", "filter": "event_type:is:view"}


def shown_users(visitor, *, first_seen, on):
    """Wait for the list of users with these days in the URL, in days before today. Return their ids."""
    visitor.page.get_by_role("heading", name="Users", level=1).wait_for()
    asked = parse_qs(urlsplit(visitor.wait().page.url).query)
    assert (asked["first_seen"], asked["days"]) == ([day(0, first_seen + 1)] * 2, [day(0, on + 1)] * 2)
    assert asked["filter"] == ["event_type:is:view"]
    return [row[0] for row in visitor.ranking("Users of the range")]


def test_a_cell_of_retention_opens_its_users(visit, returning):
    visitor = visit(returning).open("retention", **RETENTION)
    click(visitor, "Retention by day", BARS, 2)
    assert shown_users(visitor, first_seen=5, on=3) == ["ann"]
    visitor.page.go_back()
    visitor.page.get_by_role("heading", name="Retention", level=1).wait_for()
    click(visitor.wait(), "Retention by day", BARS, 0)
    assert sorted(shown_users(visitor, first_seen=5, on=5)) == ["ann", "bob"]


def test_a_cell_of_retention_without_users_opens_nothing(visit, returning):
    visitor = visit(returning).open("retention", **RETENTION)
    click(visitor, "Retention by day", BARS, 1)
    visitor.wait()
    assert visitor.page.get_by_role("heading", name="Retention", level=1).count() == 1


def test_the_users_of_a_cohort_are_links_too_and_can_be_compared_with_all(visit, returning):
    visitor = visit(returning).open("retention", **RETENTION)
    visitor.page.get_by_text("The users as a table").click()
    visitor.page.get_by_role("table", name="Users of each cohort").get_by_role("link", name="2").press("Enter")
    assert sorted(shown_users(visitor, first_seen=5, on=5)) == ["ann", "bob"]
    visitor.open("users", first_seen=[day(0, 6)] * 2, range="7 days")
    assert [row[:2] for row in visitor.ranking("Users of the range")] == [["ann", "2"], ["bob", "1"]]
    visitor.page.get_by_text("All 2 users with events").wait_for()
    visitor.page.get_by_role("button", name="Show users whenever they were first seen").click()
    visitor.page.get_by_text("All 3 users with events").wait_for()
    assert "first_seen" not in visitor.wait().page.url


def test_a_link_with_other_days_than_these_says_so(visit, returning):
    visitor = visit(returning).open("users", first_seen="soon", range="7 days")
    assert "“soon” in the link isn't used" in visitor.page.locator("[data-testid=stAlert]").inner_text()
    assert len(visitor.ranking("Users of the range")) == 3
