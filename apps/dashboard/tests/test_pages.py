"""The pages in a real browser, with known events: they show what the query service answers."""

from datetime import UTC, datetime, timedelta

import pytest
from visitors import FUNNEL_STATE, make_view, serious_violations, without_live_tiles

from event_tracker.dashboard.filters.grammar import equals, make_edge

PAGES = {
    "web": ("web", {}),
    "live": ("live", {}),
    "overview": ("", {}),
    "users": ("users", {}),
    "one user": ("users", {"user": "user-39"}),
    "funnels": ("funnels", FUNNEL_STATE),
    "funnels without steps": ("funnels", {}),
    "retention": ("retention", {"range": "90 days"}),
    "journeys": ("journeys", {}),
    "sessions": ("sessions", {}),
    "explore": ("explore", {}),
}


every_page = pytest.mark.parametrize(("path", "state"), PAGES.values(), ids=PAGES)


every_path = pytest.mark.parametrize("path", dict.fromkeys(path for path, _ in PAGES.values()))


@every_page
def test_a_page_is_accessible_in_both_themes_and_fits_a_phone(visit, dashboard, path, state):
    visitor = without_live_tiles(visit(dashboard)).open(path, **state)
    page = visitor.page
    assert page.locator("[data-testid=stAlertContentError]").all_inner_texts() == []
    for scheme, background in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(17, 21, 27)")]:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "colour => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor === colour",
            arg=background,
        )
        visitor.wait()
        assert serious_violations(page) == [], scheme
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.wait()
    fits = "part => { const element = document.querySelector(part); return element.scrollWidth <= element.clientWidth }"
    for part in ("html", "[data-testid=stMain]"):
        page.wait_for_function(fits, arg=part)  # tables follow the window in their own time
    assert serious_violations(page) == [], "phone"  # what is scrolled there must be so by keys, too


def test_what_widgets_say_stands_in_the_url_and_comes_back_from_it(visit, dashboard):
    first = visit(dashboard).open("", range="90 days")
    first.choose("Interval", "month").page.wait_for_url("**interval=month**")
    first.wait()
    first.page.get_by_role("radio", name="users").click()
    first.page.wait_for_url("**metric=users**")
    first.wait()
    second = visit(dashboard)
    second.page.goto(first.page.url)
    second.wait()
    assert second.page.get_by_role("radio", name="users").is_checked()
    assert second.page.get_by_role("combobox", name="Interval", exact=True).input_value() == "month"
    assert second.page.get_by_role("combobox", name="Range", exact=True).input_value() == "90 days"
    assert second.tile("Events") == first.tile("Events") == "90"


def test_the_time_zone_is_the_visitors_and_stands_in_the_url(visit, dashboard):
    visitor = visit(dashboard)
    visitor.page.goto(f"{dashboard.url}/sessions")
    visitor.wait()
    visitor.page.wait_for_url("**tz=Europe%2FBerlin**")
    assert visitor.page.get_by_role("combobox", name="Time zone").input_value() == "Europe/Berlin"


def test_chosen_days_are_included_both(visit, dashboard):
    days = [dashboard.ask(f"/users/user-{number}")["first_seen"][:10] for number in (32, 33)]
    visitor = visit(dashboard).open("", range="dates", days=days)
    assert visitor.tile("Events") == "5"  # one of the two users bought
    assert visitor.tile("Active users") == "2"


def test_retention_shows_each_cohort(visit, dashboard):
    visitor = visit(dashboard).open("retention", range="90 days", cohort="month")
    answer = dashboard.ask("/stats/retention", period="month", **dashboard.last(90))
    visitor.page.get_by_text("The users as a table").click()
    shown = visitor.ranking("Users of each cohort")
    assert [int(row[1]) for row in shown] == [cohort["users"] for cohort in answer["cohorts"]]
    assert sum(int(row[1]) for row in shown) == 40
    visitor.page.get_by_label("Retention by month").wait_for()


def test_journeys_show_the_commonest_paths(visit, dashboard):
    visitor = visit(dashboard).open("journeys", range="90 days")
    assert [row[:2] for row in visitor.ranking("Most frequent journeys")] == [
        ["page_view → page_view", "30"],
        ["page_view → page_view → purchase", "10"],
    ]


def test_journeys_that_led_to_an_event_are_in_the_order_of_time(visit, dashboard):
    visitor = visit(dashboard).open("journeys", range="90 days", direction="previous", start="purchase", depth=2)
    assert visitor.ranking("Most frequent journeys") == [["page_view → page_view → purchase", "10", "100.0%"]]


def test_sessions_are_counted(visit, dashboard):
    visitor = visit(dashboard).open("sessions", range="90 days", by="property:page")
    answer = dashboard.ask("/stats/sessions", by="property:page", **dashboard.last(90))
    assert visitor.tile("Sessions") == str(answer["sessions"]) == "40"
    assert visitor.tile("Events per session") == "2.25"
    assert visitor.tile("Bounce rate") == "0.0%"
    assert visitor.tile("Median duration") == "1 min"
    assert [row[:2] for row in visitor.ranking("Sessions end with")] == [["/pricing", "30"], ["(has none)", "10"]]


def test_raw_events_have_a_column_for_each_property(visit, dashboard):
    visitor = visit(dashboard).open("explore", range="90 days", filter="event_type:is:purchase")
    rows = visitor.cells("Events, newest first")
    assert len(rows) == 10
    assert rows[0][1:5] == ["user-36", "purchase", "visit-36", "45.5"]
    visitor.page.get_by_text("All 10 events that match").wait_for()


def test_on_a_phone_a_tables_toolbar_covers_no_field(visit, dashboard):
    visitor = visit(dashboard)
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.open("explore", range="90 days")
    visitor.page.get_by_test_id("stDataFrame").hover()
    toolbar = visitor.page.get_by_test_id("stElementToolbar")
    field = visitor.page.get_by_test_id("stSelectbox").filter(has_text="Events to show").bounding_box()
    assert field["y"] + field["height"] <= toolbar.bounding_box()["y"]


def test_raw_events_are_filtered_by_properties(visit, dashboard):
    visitor = visit(dashboard).open(
        "explore", range="90 days", filter=["property.page:is:/pricing", "property.plan:is:pro", "user_id:is:user-3"]
    )
    assert [row[2] for row in visitor.cells("Events, newest first")] == ["page_view"]


def test_raw_events_by_a_filter_of_sessions_are_not_listed_and_the_page_says_why(visit, dashboard):
    by_entry = make_edge("entry", equals("property.page", "/pricing"))
    visitor = visit(dashboard).open("explore", range="90 days", filter=[by_entry, "event_type:is:purchase"])
    message = visitor.page.get_by_text("can't be listed or downloaded by filters of sessions or users")
    message.wait_for()
    shown = visitor.page.get_by_test_id("stAlert")
    assert shown.get_by_role("listitem").all_inner_texts() == ["Entry: page is /pricing"]
    assert visitor.page.get_by_role("link", name="CSV").count() == 0


@pytest.fixture(scope="module")
def coupons(serve_events):
    """A dashboard with four events: two coupons are the empty text, one is X, one event has none."""
    start = datetime.now(UTC) - timedelta(hours=2)
    properties = [{"coupon": ""}, {"coupon": "X"}, {"coupon": ""}, {}]
    with serve_events(
        [make_view(start + timedelta(minutes=place), **one) for place, one in enumerate(properties)]
    ) as dashboard:
        yield dashboard


def test_the_empty_text_is_a_filter_on_the_page_and_in_downloads(visit, coupons):
    visitor = visit(coupons).open("explore", filter="property.coupon:is:")
    visitor.page.get_by_text("All 2 events that match").wait_for()
    assert "filter=property.coupon%3Ais%3A&" in visitor.page.get_by_role("link", name="CSV").get_attribute("href")


def test_what_matches_can_be_downloaded(visit, dashboard):
    visitor = visit(dashboard).open("explore", range="90 days", filter="event_type:is:purchase")
    link = visitor.page.get_by_role("link", name="CSV")
    link.evaluate("element => element.removeAttribute('target')")  # here, not in a tab that closes at once
    with visitor.page.expect_download() as started:
        link.click()
    download = started.value
    assert download.suggested_filename == "events.csv"
    lines = download.path().read_text().splitlines()
    assert len(lines) == 11


def test_a_refusal_is_a_sentence_and_the_rest_of_the_page_stays(visit, dashboard):
    visitor = visit(dashboard).open("", range="dates", days=["2020-01-01", "2026-01-01"], interval="hour")
    errors = visitor.page.locator("[data-testid=stAlert]", has_text="1,000")
    assert errors.count() == 1
    assert errors.inner_text().count("1,000") == 1
    assert visitor.tile("Events") == "0"


def test_a_range_without_events_says_what_to_do(visit, dashboard):
    visitor = visit(dashboard).open("sessions", range="today")
    assert "Choose a longer range" in visitor.page.locator("[data-testid=stAlert]").inner_text()
    visitor.open("", range="today").page.get_by_text("No users in this range").wait_for()


@every_path
def test_without_any_event_a_page_says_how_to_send_one(visit, empty_dashboard, path):
    visitor = visit(empty_dashboard).open(path)
    assert "tracker simulate" in visitor.page.locator("[data-testid=stCode]").inner_text()


def test_the_first_events_are_sent_to_where_the_collector_is(visit, empty_dashboard, another):
    with another(empty_dashboard.query_url, COLLECTOR_URL="https://in.example") as dashboard:
        visitor = visit(dashboard).open("")
        code = visitor.page.locator("[data-testid=stCode]").inner_text()
        visitor.page.goto("about:blank")
    assert "https://in.example/events" in code
    assert "--collector https://in.example" in code


@every_path
def test_without_the_query_service_a_page_says_so(visit, lonely_dashboard, path):
    visitor = visit(lonely_dashboard).open(path)
    sentence = visitor.page.locator("[data-testid=stAlert]")
    assert f"The query service at {lonely_dashboard.query_url} doesn't answer." in sentence.inner_text()
