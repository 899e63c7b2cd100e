"""The overview in a real browser, with known events."""

from datetime import UTC, datetime, timedelta

import pytest
from visitors import make_view
from waiting import wait_until

LONG = "/" + "long" * 75


@pytest.fixture(scope="module")
def long_values(serve_events):
    """A dashboard with an event whose page has 301 characters."""
    with serve_events([make_view(datetime.now(UTC) - timedelta(hours=1), page=LONG)]) as dashboard:
        yield dashboard


def test_the_overview_shows_the_answers_of_the_query_service(visit, dashboard):
    visitor = visit(dashboard).open("", range="90 days")
    answer = dashboard.ask("/stats/users", **dashboard.last(90))
    assert answer["active"] == 40
    assert visitor.tile("Events") == "90"
    assert visitor.tile("Active users") == visitor.tile("New users") == "40"
    assert visitor.tile("Sessions") == "40"
    top = dashboard.ask("/stats/top-types")["items"]
    shown = visitor.ranking("Top event types")
    assert [[row[0], int(row[1])] for row in shown] == [[one["event_type"], one["count"]] for one in top]
    assert shown[0] == ["page_view", "80", "88.9%", "0", "+80"]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_the_range_is_charted_in_the_first_viewport(visit, dashboard, width, height):
    visitor = visit(dashboard)
    visitor.page.set_viewport_size({"width": width, "height": height})
    visitor.open("", range="30 days", top="page")
    visitor.ranking("Top values of page")
    box = visitor.page.locator("[data-testid=stPlotlyChart]").first.bounding_box()
    assert box["y"] > 0
    assert box["y"] + box["height"] <= height


def test_a_page_ends_below_its_last_line(visit, dashboard):
    visitor = visit(dashboard).open("sessions", range="90 days")
    assert visitor.ranking("Sessions end with")
    below = visitor.page.get_by_test_id("stMain").evaluate("""main => {
        const parts = [...main.querySelectorAll(".ranking-frame")];
        const end = Math.max(...parts.map(part => part.getBoundingClientRect().bottom));
        return main.scrollHeight - (end - main.getBoundingClientRect().top + main.scrollTop);
    }""")
    assert 0 <= below <= 48


@pytest.fixture(scope="module")
def seven_pages(serve_events):
    """A dashboard with seven pages, the first seen seven times, the last once."""
    now = datetime.now(UTC) - timedelta(hours=1)
    with serve_events(
        [make_view(now, page=f"/{number}") for number in range(7) for _ in range(7 - number)]
    ) as dashboard:
        yield dashboard


def test_a_long_table_has_its_first_rows_in_sight_and_the_rest_below(visit, seven_pages):
    visitor = visit(seven_pages).open("", range="7 days", top="page")
    assert [row[0] for row in visitor.ranking("Top values of page")] == [f"/{number}" for number in range(5)]
    visitor.page.get_by_text("2 more", exact=True).click()
    assert [row[:2] for row in visitor.ranking("Top values of page, the rest")] == [["/5", "2"], ["/6", "1"]]


def test_a_type_and_a_value_lead_to_their_events(visit, dashboard):
    visitor = visit(dashboard).open("", range="90 days", top="plan")
    visitor.page.get_by_role("link", name="purchase").click()
    visitor.page.wait_for_url("**filter=event_type%3Ais%3Apurchase**")
    visitor.wait()
    assert "range=90+days" in visitor.page.url
    wait_until(lambda: visitor.tile("Events") == "10")
    visitor.open("", range="90 days", top="plan").page.get_by_role("link", name="pro", exact=True).click()
    visitor.page.wait_for_url("**/explore?**")
    visitor.wait()
    visitor.page.get_by_text("events that match, newest first").wait_for()
    assert {row[2] for row in visitor.cells("Events, newest first")} == {"page_view"}
    assert "filter=property.plan%3Ais%3Apro" in visitor.page.url


@pytest.mark.parametrize("width", [1280, 1024])
def test_a_long_value_is_cut_and_its_numbers_stay_in_sight(visit, long_values, width):
    visitor = visit(long_values)
    visitor.page.set_viewport_size({"width": width, "height": 900})
    visitor.open("", range="7 days")
    row = visitor.page.get_by_role("table", name="Top values of page").locator("tbody tr").first
    assert row.locator("th").get_attribute("title") == LONG
    row.scroll_into_view_if_needed()
    rights = row.locator("td").evaluate_all("all => all.map(cell => cell.getBoundingClientRect().right)")
    assert rights
    assert max(rights) <= width
    # Four boxes are one row. Measured at once: charts above them may still move them.
    boxes = visitor.page.locator(".st-key-tiles [data-testid=stMetric]")
    boxes.first.wait_for()
    tops = boxes.evaluate_all("all => all.map(box => Math.round(box.getBoundingClientRect().y))")
    assert tops
    assert len(set(tops)) == 1


@pytest.fixture(scope="module")
def changed_lately(serve_events):
    """A dashboard whose events had a page for weeks; the newest, a hundred of them, have a browser alone."""
    old, new = datetime.now(UTC) - timedelta(days=20), datetime.now(UTC) - timedelta(hours=1)
    events = [make_view(old + timedelta(hours=number), page="/") for number in range(400)]
    events += [make_view(new + timedelta(seconds=number), browser="Firefox") for number in range(100)]
    with serve_events(events) as dashboard:
        yield dashboard


def test_a_property_that_most_events_have_is_shown_first(visit, changed_lately):
    visitor = visit(changed_lately).open("", range="30 days")
    assert visitor.ranking("Top values of page") == [["/", "400", "100.0%"]]


def test_the_overview_compares_with_the_days_before(visit, dashboard):
    """With the same part of them: the day of a week ago counts up to the time that it is now. Events are from 10:00 UTC."""
    visitor = visit(dashboard).open("", range="7 days")
    now = dashboard.ask("/stats/sessions", **dashboard.last(7))["sessions"]
    assert visitor.tile("Sessions") == str(now)
    tile = visitor.page.locator("[data-testid=stMetric]").filter(has_text="Sessions").first
    days = 7 if datetime.now(UTC).hour >= 10 else 6
    # One less after a midnight since the events were made.
    assert now in (6, 5)
    assert f"{now / days - 1:+.1%}" in tile.inner_text().replace("\N{MINUS SIGN}", "-")
    assert f"from {days}" in tile.inner_text()
