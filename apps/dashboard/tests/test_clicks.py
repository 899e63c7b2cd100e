"""Clicks on charts in a real browser: a point in time narrows the range, a bar of a type filters by it."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit


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
    assert visitor.page.get_by_text("A click on a point").count() == 0
    click(visitor, "Events over time", ".scatterlayer .point", 10)
    assert days_of(visitor.wait()) == ["dates", chosen, chosen]


def test_a_bar_of_a_type_filters_the_timeline_by_it(visit, dashboard):
    visitor = visit(dashboard).open("users", user="user-36", range="90 days")
    click(visitor, "Events of this user by type", ".barlayer .point path", 1)
    visitor.page.wait_for_url("**event_type=purchase**")
    visitor.wait()
    assert [row[1] for row in visitor.cells("This user's events, newest first")] == ["purchase"]
