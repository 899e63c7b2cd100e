"""The choice of sources in the sidebar: every page is then about their events alone."""

from urllib.parse import parse_qs, urlsplit

from visitors import serious_violations, without_live_tiles
from waiting import eventually

SHOP = {"range": "90 days", "source": "shop"}


def choice(visitor):
    return visitor.page.get_by_role("combobox", name="Sources", exact=True)


def test_a_source_that_is_chosen_stands_in_the_url_and_goes_along_to_other_pages(visit, dashboard_of_sources):
    visitor = visit(dashboard_of_sources).open("", range="90 days")
    assert (visitor.tile("Events"), visitor.tile("Active users")) == ("90", "40")
    visitor.choose("Sources", "shop").page.keyboard.press("Escape")
    visitor.page.locator("[data-testid=stMetricValue]", has_text="10").first.wait_for()
    visitor.wait()
    answer = dashboard_of_sources.ask("/stats/users", source="shop", **dashboard_of_sources.last(90))
    assert answer["active"] == answer["new"] == 10
    assert [visitor.tile(name) for name in ("Events", "Active users", "New users", "Sessions")] == ["10"] * 4
    only = [["purchase", "10", "100.0%"]]
    # A table follows what it shows in its own time.
    assert eventually(lambda: [row[:3] for row in visitor.ranking("Top event types")] == only)
    visitor.page.get_by_role("link", name="Sessions").click()
    visitor.page.get_by_role("heading", name="Sessions", level=1).wait_for()
    visitor.wait()
    assert "source=shop" in visitor.page.url
    assert (visitor.tile("Sessions"), visitor.tile("Bounces")) == ("10", "10")


def test_every_page_is_about_the_sources_that_are_chosen(visit, dashboard_of_sources):
    visitor = visit(dashboard_of_sources).open("users", **SHOP)
    assert len(visitor.ranking("Users of the range")) == 10
    visitor.open("users", **SHOP, user="user-36")
    assert visitor.tile("Events ever") == "1"
    assert [row[1] for row in visitor.cells("This user's events, newest first")] == ["purchase"]
    visitor.open("users", **SHOP, user="user-35")
    assert "There is no user “user-35”." in visitor.page.locator("[data-testid=stAlert]").inner_text()
    visitor.open("funnels", **SHOP, step1="purchase", step2="page_view", window="1 hour")
    assert (visitor.tile("Completed the first step"), visitor.tile("Completed all steps")) == ("10", "0")
    visitor.open("retention", **SHOP, cohort="month")
    visitor.page.get_by_text("The users as a table").click()
    assert sum(int(row[1]) for row in visitor.ranking("Users of each cohort")) == 10
    visitor.open("journeys", **SHOP)
    assert [row[:2] for row in visitor.ranking("Most frequent journeys")] == [["purchase", "10"]]
    visitor.open("explore", **SHOP)
    assert {row[2] for row in visitor.cells("Events, newest first")} == {"purchase"}
    link = visitor.page.get_by_role("link", name="CSV").get_attribute("href")
    assert parse_qs(urlsplit(link).query)["source"] == ["shop"]


def test_several_sources_are_one(visit, dashboard_of_sources):
    visitor = without_live_tiles(visit(dashboard_of_sources)).open("", range="90 days", source=["shop", "default"])
    assert (visitor.tile("Events"), visitor.tile("Active users")) == ("90", "40")
    assert serious_violations(visitor.page) == []


def test_a_source_without_events_is_no_empty_database(visit, dashboard_of_sources):
    visitor = visit(dashboard_of_sources).open("sessions", range="90 days", source="club")
    assert "No sessions in this range." in visitor.page.locator("[data-testid=stAlert]").inner_text()


def test_a_source_that_is_not_there_is_not_chosen(visit, dashboard_of_sources):
    visitor = visit(dashboard_of_sources).open("", range="90 days", source="nowhere")
    assert visitor.tile("Events") == "90"


def test_where_there_is_one_source_there_is_no_choice(visit, dashboard, dashboard_of_sources):
    choice(visit(dashboard_of_sources).open("", range="90 days")).wait_for()
    assert choice(visit(dashboard).open("", range="90 days")).count() == 0
