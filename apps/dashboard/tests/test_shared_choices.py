"""The choices that pages share, in the sidebar and the filter bar: they stay the same from page to page, and back."""

from urllib.parse import parse_qs, urlencode, urlsplit

CHOSEN = {
    "tz": ["Europe/London"], "range": ["dates"], "days": ["2026-01-01", "2026-12-31"], "source": ["shop"],
    "filter": ["event_type:is:purchase", "property.amount:gte:1"],
}  # fmt: skip
PAGES = ["Users", "Funnels", "Retention", "Journeys", "Sessions", "Explore", "Overview"]


def in_the_url(visitor):
    return parse_qs(urlsplit(visitor.page.url).query)


def test_every_choice_goes_along_to_every_page(visit, dashboard_of_sources):
    visitor = visit(dashboard_of_sources).open("", **CHOSEN)
    for page in PAGES:
        visitor.turn_to(page)
        assert {name: in_the_url(visitor).get(name) for name in CHOSEN} == CHOSEN, page
    assert visitor.tile("Events") == "10"


def test_choices_go_along_to_a_page_that_is_opened_while_another_is_still_drawn(visit, dashboard_of_sources):
    visitor = visit(dashboard_of_sources)
    visitor.page.goto(f"{visitor.url}/?{urlencode(CHOSEN, doseq=True)}")
    visitor.page.get_by_role("link", name="Sessions").click()
    visitor.page.get_by_role("heading", name="Sessions", level=1).wait_for()
    assert visitor.wait().tile("Sessions") == "10"
    assert {name: in_the_url(visitor).get(name) for name in CHOSEN} == CHOSEN


def test_a_range_chosen_by_hand_goes_along_and_comes_back_by_the_browsers_button(visit, dashboard):
    visitor = visit(dashboard).open("", range="7 days")
    visitor.choose("Range", "90 days").wait()
    assert visitor.turn_to("Sessions").tile("Sessions") == "40"
    visitor.choose("Range", "7 days").wait()
    assert in_the_url(visitor)["range"] == ["7 days"]
    seven = visitor.tile("Sessions")
    visitor.turn_to("Retention")
    visitor.page.go_back()
    visitor.page.get_by_role("heading", name="Sessions", level=1).wait_for()
    assert visitor.wait().tile("Sessions") == seven
    assert in_the_url(visitor)["range"] == ["7 days"]
