"""The filter bar in a real browser: conditions are added, changed and removed, stay in the URL, and filter all pages."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from visitors import serious_violations
from waiting import wait_until

PURCHASES = "event_type:is:purchase"


def filters(visitor):
    """The filters in the URL now: Playwright's own copy of it changes only while it handles what the browser sends."""
    query = visitor.page.evaluate("location.search")
    return parse_qs(query.removeprefix("?"), keep_blank_values=True).get("filter", [])


def press(visitor, name):
    visitor.page.get_by_role("button", name=name, exact=True).click()
    return visitor.wait()


def fill(visitor, label, text):
    """Type into a list, and choose what is typed: one of its options or another text."""
    box = visitor.page.get_by_role("combobox", name=label, exact=True)
    box.fill(text)
    box.press("Enter")
    return visitor.wait()


def open_form(visitor, chip="Add a filter"):
    visitor.page.get_by_test_id("stPopover").get_by_role("button", name=chip).click()
    visitor.page.get_by_role("combobox", name="Field or property").wait_for()
    return visitor.wait()


def test_a_condition_is_added_from_suggestions_changed_and_removed(visit, dashboard):
    visitor = open_form(visit(dashboard).open("", range="90 days"))
    visitor.page.get_by_role("combobox", name="Field or property").click()
    visitor.page.get_by_role("option", name="plan", exact=True).wait_for()
    offered = visitor.page.get_by_role("option").all_inner_texts()
    assert offered == ["Event type", "User", "Session", "Source", "Time", "Time of arrival", "page", "plan", "amount"]
    visitor.page.get_by_role("option", name="Event type", exact=True).click()
    visitor.wait().page.get_by_role("combobox", name="Value", exact=True).click()
    visitor.page.get_by_role("option", name="purchase", exact=True).wait_for()
    assert visitor.page.get_by_role("option").all_inner_texts() == ["page_view", "purchase"]
    visitor.page.get_by_role("option", name="purchase", exact=True).click()
    press(visitor.wait(), "Add")
    wait_until(lambda: filters(visitor) == [PURCHASES])
    assert visitor.wait().tile("Events") == "10"
    open_form(visitor, "Event type is purchase")
    visitor.choose("Operator", "is not").wait()
    press(visitor, "Change")
    wait_until(lambda: filters(visitor) == ["event_type:is_not:purchase"])
    assert visitor.wait().tile("Events") == "80"
    open_form(visitor, "Event type is not purchase")
    press(visitor, "Remove")
    wait_until(lambda: filters(visitor) == [])
    assert visitor.wait().tile("Events") == "90"
    # Back leads through the same steps.
    visitor.page.go_back()
    wait_until(lambda: visitor.tile("Events") == "80")
    visitor.page.go_back()
    wait_until(lambda: visitor.tile("Events") == "10")


def test_what_is_not_suggested_can_be_typed(visit, dashboard):
    visitor = open_form(visit(dashboard).open("sessions", range="90 days"))
    fill(visitor, "Field or property", "a.new:one")
    fill(visitor, "Value", "x:y, z")
    press(visitor, "Add")
    wait_until(lambda: filters(visitor) == [r"property.a\.new\:one:is:x:y, z"])
    visitor.wait().page.get_by_text("No sessions in this range").wait_for()


def test_without_a_value_nothing_is_added(visit, dashboard):
    visitor = open_form(visit(dashboard).open("sessions", range="90 days"))
    press(visitor, "Add")
    visitor.page.get_by_text("Choose a field and a value.").wait_for()
    fill(visitor, "Field or property", "plan")
    visitor.choose("Operator", "is set").wait()
    press(visitor, "Add")
    wait_until(lambda: filters(visitor) == ["property.plan:set"])


def test_all_must_match_or_any(visit, dashboard):
    both = [PURCHASES, "property.page:is:/"]
    visitor = visit(dashboard).open("", range="90 days", filter=both)
    assert visitor.tile("Events") == "0"
    visitor.page.get_by_role("radio", name="Any matches").click()
    wait_until(lambda: visitor.tile("Events") == "50")
    (text,) = filters(visitor)
    assert [one["field"] for one in json.loads(text)["or"]] == ["event_type", "property.page"]
    visitor.wait().page.get_by_role("radio", name="All match").click()
    wait_until(lambda: filters(visitor) == both)
    press(visitor.wait(), "Clear all")
    wait_until(lambda: filters(visitor) == [])
    assert visitor.wait().tile("Events") == "90"


@pytest.mark.parametrize("text", ["property.amount:gte", "timestamp:is:x", "page", '{"or": []}', "{"])
def test_what_the_query_service_refuses_is_said_at_the_bar(visit, dashboard, text):
    visitor = visit(dashboard).open("", range="90 days", filter=["property.amount:set", text])
    alert = visitor.page.get_by_test_id("stAlert")
    answer = visitor.page.request.get(f"{dashboard.query_url}/stats/timeseries", params={"filter": text}).json()
    assert alert.count() == 1
    assert answer["errors"][0]["detail"].replace("`", "") in alert.inner_text()
    assert visitor.page.get_by_test_id("stMetric").count() == 0
    visitor.page.get_by_test_id("stPopover").get_by_role("button").nth(1).click()
    press(visitor.wait(), "Remove")
    wait_until(lambda: filters(visitor) == ["property.amount:set"])
    assert visitor.wait().tile("Events") == "10"


BUSY = """
document.addEventListener("click", () => { for (const end = Date.now() + 200; Date.now() < end;); });
"""
"""JavaScript: each click takes a fifth of a second on its way through the page, as on a busy machine."""


def test_a_click_on_the_arrow_of_a_chip_opens_its_form_on_a_busy_machine(visit, dashboard):
    visitor = visit(dashboard)
    visitor.add_script(BUSY)
    visitor.open("sessions", range="90 days", filter=PURCHASES)
    chip = visitor.page.get_by_test_id("stPopover").get_by_role("button", name="Event type is purchase")
    arrow = chip.get_by_test_id("stIconMaterial").bounding_box()
    visitor.page.mouse.click(arrow["x"] + arrow["width"] / 2, arrow["y"] + arrow["height"] / 2)
    visitor.page.get_by_role("button", name="Remove", exact=True).wait_for()
    assert chip.get_attribute("aria-expanded") == "true"


def retained(visitor):
    visitor.page.get_by_text("The users as a table").click()
    return visitor.ranking("Users of each cohort")


PAGES = {
    "": lambda visitor: (
        visitor.tile("Events") == "10"
        and [row[:2] for row in visitor.ranking("Top event types")] == [["purchase", "10"]]
    ),
    "users": lambda visitor: len(visitor.ranking("Users of the range")) == 10,
    "funnels": lambda visitor: visitor.page.get_by_text("No users who completed the first step").count() == 1,
    "retention": lambda visitor: sum(int(row[2]) for row in retained(visitor)) == 10,
    "journeys": lambda visitor: visitor.page.get_by_text("10 sessions").count() == 1,
    "sessions": lambda visitor: visitor.tile("Sessions") == "10",
    "explore": lambda visitor: visitor.page.get_by_text("All 10 events that match").count() == 1,
}


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_filtered(visit, dashboard, path):
    steps = {"step1": "page_view", "step2": "purchase"}
    visitor = visit(dashboard).open(path, range="90 days", filter=PURCHASES, **(steps if path == "funnels" else {}))
    assert PAGES[path](visitor)


def test_links_of_the_release_before_lead_to_the_same_events(visit, dashboard):
    visitor = visit(dashboard).open(
        "explore",
        range="90 days",
        event_type=["page_view", "purchase"],
        property=["page=/pricing", "plan=pro"],
        user_id="user-3",
    )
    assert len(visitor.cells("Events, newest first")) == 1
    assert filters(visitor) == [
        "event_type:one_of:page_view,purchase", "user_id:is:user-3", "property.page:is:/pricing", "property.plan:is:pro",
    ]  # fmt: skip
    assert not {"event_type", "property", "user_id"} & set(parse_qs(urlsplit(visitor.page.url).query))


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (1280, "dark")])
def test_the_form_works_by_keys_and_is_accessible(visit, dashboard, width, theme):
    visitor = visit(dashboard)
    visitor.page.emulate_media(color_scheme=theme)
    visitor.page.set_viewport_size({"width": width, "height": 844})
    visitor.open(
        "sessions", range="90 days", filter=["event_type:one_of:purchase,x", "property.a:is_not:" + "long " * 20]
    )
    opener = visitor.page.get_by_test_id("stPopover").get_by_role("button", name="Event type is one of")
    opener.focus()
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_role("combobox", name="Values").wait_for()
    assert serious_violations(visitor.wait().page) == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_role("combobox", name="Values").wait_for(state="hidden")
