"""The pages in a real browser, with known events: they show what the query service answers."""

import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from visitors import without_live_tiles
from waiting import wait_until

FUNNEL = {"range": "90 days", "step1": "page_view", "step2": "purchase", "window": "1 hour"}
PAGES = {
    "overview": ("", {}),
    "users": ("users", {}),
    "one user": ("users", {"user": "user-39"}),
    "funnels": ("funnels", FUNNEL),
    "funnels without steps": ("funnels", {}),
    "retention": ("retention", {"range": "90 days"}),
    "journeys": ("journeys", {}),
    "sessions": ("sessions", {}),
    "explore": ("explore", {}),
}
NONE = "\N{EN DASH}"
SERIOUS = {"serious", "critical"}

every_page = pytest.mark.parametrize(("path", "state"), PAGES.values(), ids=PAGES)
every_path = pytest.mark.parametrize("path", dict.fromkeys(path for path, _ in PAGES.values()))


def serious_violations(page):
    """What axe-core finds that is serious or critical: rule, and where."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS]


def sent(time, **properties):
    return {"user_id": "ann", "event_type": "view", "timestamp": time.isoformat(), "event_id": str(uuid.uuid4()),
            "properties": properties}  # fmt: skip


LONG = "/" + "long" * 75


@pytest.fixture(scope="module")
def long_values(serve_events):
    """A dashboard with an event whose page has 301 characters."""
    with serve_events([sent(datetime.now(UTC) - timedelta(hours=1), page=LONG)]) as dashboard:
        yield dashboard


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
    with serve_events([sent(now, page=f"/{number}") for number in range(7) for _ in range(7 - number)]) as dashboard:
        yield dashboard


def test_a_long_table_has_its_first_rows_in_sight_and_the_rest_below(visit, seven_pages):
    visitor = visit(seven_pages).open("", range="7 days", top="page")
    assert [row[0] for row in visitor.ranking("Top values of page")] == [f"/{number}" for number in range(5)]
    visitor.page.get_by_text("2 more", exact=True).click()
    assert [row[:2] for row in visitor.ranking("Top values of page, the rest")] == [["/5", "2"], ["/6", "1"]]


def test_a_type_and_a_value_lead_to_their_events(visit, dashboard):
    visitor = visit(dashboard).open("", range="90 days", top="plan")
    visitor.page.get_by_role("link", name="purchase").click()
    visitor.page.wait_for_url("**event_type=purchase**")
    visitor.wait()
    assert "range=90+days" in visitor.page.url
    wait_until(lambda: visitor.tile("Events") == "10")
    visitor.open("", range="90 days", top="plan").page.get_by_role("link", name="pro", exact=True).click()
    visitor.page.wait_for_url("**/explore?**")
    visitor.wait()
    visitor.page.get_by_text("events that match, newest first").wait_for()
    assert {row[2] for row in visitor.cells("Events, newest first")} == {"page_view"}
    assert "property=plan%3Dpro" in visitor.page.url


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
    events = [sent(old + timedelta(hours=number), page="/") for number in range(400)]
    events += [sent(new + timedelta(seconds=number), browser="Firefox") for number in range(100)]
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


def test_a_type_chosen_in_the_sidebar_filters_and_goes_along_to_other_pages(visit, dashboard):
    visitor = visit(dashboard).open("", range="90 days")
    visitor.choose("Event types", "purchase").page.keyboard.press("Escape")
    visitor.page.locator("[data-testid=stMetricValue]", has_text="10").first.wait_for()
    visitor.wait()
    (series,) = dashboard.ask("/stats/timeseries", event_type="purchase", **dashboard.last(90))["series"]
    assert visitor.tile("Events") == str(series["total"]) == "10"
    visitor.page.get_by_role("link", name="Sessions").click()
    visitor.page.get_by_role("heading", name="Sessions", level=1).wait_for()
    visitor.wait()
    assert "event_type=purchase" in visitor.page.url
    assert visitor.tile("Sessions") == "10"


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


def test_a_user_has_a_summary_and_a_timeline(visit, dashboard):
    visitor = visit(dashboard).open("users", user="user-36", range="90 days")
    summary = dashboard.ask("/users/user-36", **dashboard.last(90))
    assert visitor.tile("Events in the range") == str(summary["range"]["events"]) == "3"
    assert visitor.tile("Sessions") == visitor.tile("Active days") == "1"
    timeline = visitor.cells("This user's events, newest first")
    assert [row[1] for row in timeline] == ["purchase", "page_view", "page_view"]
    assert visitor.cells("Sessions of this user")[0][:2] == ["visit-36", "3"]


def test_a_users_timeline_is_filtered_by_type(visit, dashboard):
    visitor = visit(dashboard).open("users", user="user-36", range="90 days", event_type="purchase")
    timeline = visitor.cells("This user's events, newest first")
    assert [row[1] for row in timeline] == ["purchase"]


def test_a_user_is_picked_among_those_who_were_active_lately(visit, dashboard):
    visitor = visit(dashboard).open("users", range="90 days")
    shown = visitor.ranking("Users of the range")
    recent = dashboard.ask("/users")["users"]
    assert [row[0] for row in shown[:5]] == [one["user_id"] for one in recent[:5]]
    visitor.choose("User", "user-39")
    visitor.page.wait_for_url("**user=user-39**")
    visitor.page.get_by_role("heading", name="Timeline").wait_for()
    assert visitor.tile("Events ever") == "2"


def test_the_list_of_users_follows_the_range_and_the_types_and_leads_to_each(visit, dashboard):
    visitor = visit(dashboard).open("users", range="90 days", event_type="purchase")
    assert [row[:2] for row in visitor.ranking("Users of the range")] == [
        [f"user-{number}", "1"] for number in range(36, -1, -4)
    ]
    visitor.page.get_by_role("link", name="user-32", exact=True).click()
    visitor.page.get_by_role("heading", name="Timeline").wait_for()
    assert "user=user-32" in visitor.page.url
    visitor.open("users", range="today")
    assert "No users in this range" in visitor.page.locator("[data-testid=stAlert]").inner_text()


def test_an_unknown_user_is_said_to_be_unknown(visit, dashboard):
    visitor = visit(dashboard).open("users", user="nobody/here")
    assert "There is no user “nobody/here”." in visitor.page.locator("[data-testid=stAlert]").inner_text()


def test_a_funnel_shows_who_went_on(visit, dashboard):
    visitor = visit(dashboard).open("funnels", **FUNNEL)
    assert visitor.tile("Completed the first step") == "40"
    assert visitor.tile("Completed all steps") == "10"
    assert visitor.tile("Conversion") == "25.0%"
    assert visitor.ranking("The funnel's steps") == [
        ["1. page_view", "40", "100.0%", NONE, "0", NONE],
        ["2. purchase", "10", "25.0%", "25.0%", "30", "1 min"],
    ]


def test_a_funnels_step_may_ask_for_a_property(visit, dashboard):
    visitor = visit(dashboard).open("funnels", **FUNNEL, where1="page=/")
    assert visitor.ranking("The funnel's steps")[0][0] == "1. page_view (page=/)"
    assert visitor.ranking("The funnel's steps")[1][-1] == "2 min"


def test_a_funnel_without_steps_offers_the_commonest_types(visit, dashboard):
    visitor = visit(dashboard).open("funnels", range="90 days")
    visitor.page.get_by_role("button", name="Start with page_view → purchase").click()
    visitor.page.wait_for_url("**step2=purchase**")
    visitor.wait()
    assert visitor.tile("Completed the first step") == "40"


def steps_of(visitor):
    """The steps in the URL, by number."""
    asked = parse_qs(urlsplit(visitor.page.url).query)
    return {name: values for name, values in asked.items() if name.startswith(("step", "where"))}


def test_clearing_a_step_keeps_those_after_it(visit, dashboard):
    visitor = visit(dashboard).open("funnels", range="90 days", step1="page_view", step2="page_view", step3="purchase")
    visitor.page.get_by_test_id("stSelectbox").filter(has_text="Step 2").get_by_role(
        "button", name="Clear value"
    ).click()
    visitor.page.get_by_text("Left out, since it has no event type.").wait_for()
    visitor.wait()
    assert [row[0] for row in visitor.ranking("The funnel's steps")] == ["1. page_view", "2. purchase"]
    assert steps_of(visitor) == {"step1": ["page_view"], "step3": ["purchase"]}


def test_steps_can_be_moved_and_removed_with_their_conditions(visit, dashboard):
    visitor = visit(dashboard).open(
        "funnels",
        range="90 days",
        step1="page_view",
        where1="page=/",
        step2="purchase",
        step3="page_view",
        where3="page=/pricing",
    )
    step_button(visitor, 3, "Move up").click()
    visitor.page.wait_for_url("**where2=page%3D%2Fpricing**")
    visitor.wait()
    assert [row[:2] for row in visitor.ranking("The funnel's steps")] == [
        ["1. page_view (page=/)", "40"],
        ["2. page_view (page=/pricing)", "40"],
        ["3. purchase", "10"],
    ]
    step_button(visitor, 1, "Remove").click()
    visitor.page.wait_for_url(lambda url: "step3" not in url)
    visitor.wait()
    assert [row[0] for row in visitor.ranking("The funnel's steps")] == ["1. page_view (page=/pricing)", "2. purchase"]
    assert steps_of(visitor) == {"step1": ["page_view"], "where1": ["page=/pricing"], "step2": ["purchase"]}


def step_button(visitor, number, what):
    """A button below a step."""
    return visitor.page.locator(f".st-key-{what.replace(' ', '-')}-{number}").get_by_role("button")


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
    visitor = visit(dashboard).open("explore", range="90 days", event_type="purchase")
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
        "explore", range="90 days", property=["page=/pricing", "plan=pro"], user_id="user-3"
    )
    assert [row[2] for row in visitor.cells("Events, newest first")] == ["page_view"]


@pytest.fixture(scope="module")
def coupons(serve_events):
    """A dashboard with four events: two coupons are the empty text, one is X, one event has none."""
    start = datetime.now(UTC) - timedelta(hours=2)
    properties = [{"coupon": ""}, {"coupon": "X"}, {"coupon": ""}, {}]
    with serve_events(
        [sent(start + timedelta(minutes=place), **one) for place, one in enumerate(properties)]
    ) as dashboard:
        yield dashboard


def test_the_empty_text_is_a_filter_on_the_page_and_in_downloads(visit, coupons):
    visitor = visit(coupons).open("explore", property="coupon=")
    visitor.page.get_by_text("All 2 events that match").wait_for()
    assert "property.coupon=&" in visitor.page.get_by_role("link", name="CSV").get_attribute("href")


def test_what_matches_can_be_downloaded(visit, dashboard):
    visitor = visit(dashboard).open("explore", range="90 days", event_type="purchase")
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
