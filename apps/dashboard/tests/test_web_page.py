"""The pages Web and Live in a real browser, with known page views."""

import csv
import io
import json
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from visitors import serious_violations

from event_tracker.dashboard.charts import countries

VISITORS = {"DE": 8, "AT": 3, "SG": 2, "TV": 1}
"""By country. Singapore is a point on the map, and Tuvalu isn't on it."""

NOW_HERE = 3

PAGES = ["Web", "Live", "Overview", "Users", "Funnels", "Retention", "Journeys", "Sessions", "Explore"]


def make_view(user, time, page, **properties):
    return {
        "user_id": user,
        "event_type": "page_view",
        "timestamp": time.isoformat(),
        "event_id": str(uuid.uuid4()),
        "properties": {"page": page, "$source": "Google" if user.startswith("DE") else "direct", **properties},
    }


def known_views():
    """Each visitor came once, 10 days ago, to `/` and then to a page of their own; those of Austria saw only `/`. Some of Germany are
    on the site now. Nothing was there before, but one page view 40 days ago and one 70 days ago."""
    now = datetime.now(UTC)
    views = [make_view("DE-0", now - timedelta(days=days), "/", **{"$country": "DE"}) for days in (40, 70)]
    for country, number in VISITORS.items():
        for place in range(number):
            user, of_country = f"{country}-{place}", {"$country": country, "$browser": "Firefox"}
            views.append(make_view(user, now - timedelta(days=10), "/", **of_country))
            if country != "AT":
                views.append(make_view(user, now - timedelta(days=10) + timedelta(minutes=2), f"/{user}", **of_country))
    views += [
        make_view(f"DE-{place}", now - timedelta(minutes=2), "/now", **{"$country": "DE"}) for place in range(NOW_HERE)
    ]
    views[2]["properties"] |= {"$city": "Berlin", "$latitude": 52.52, "$longitude": 13.41}
    return views


@pytest.fixture(scope="module")
def site(serve_events):
    with serve_events(known_views()) as dashboard:
        yield dashboard


def filters_of(visitor):
    return parse_qs(urlsplit(visitor.page.url).query).get("filter", [])


def click_on_map(visitor, label):
    point = visitor.page.get_by_label(label)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    visitor.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visitor.page.wait_for_url("**filter=**")
    visitor.wait()


def test_the_page_shows_the_answers_and_a_row_filters_all_of_it(visit, site):
    visitor = visit(site).open("web", sources="Channel")
    totals = site.ask("/stats/web", **site.last(30))["totals"]
    assert (totals["visitors"], totals["page_views"]) == (14, 28)
    assert [visitor.tile(name) for name in ("Visitors", "Page views", "Sessions")] == [
        str(totals[name]) for name in ("visitors", "page_views", "sessions")
    ]
    assert visitor.tile("Bounce rate") == f"{totals['bounce_rate']:.1%}"
    assert visitor.page.get_by_text("from 1", exact=True).count() == 3
    assert visitor.ranking("Pages by top")[:2] == [["/", "14", "14"], ["/now", "3", "3"]]
    assert visitor.ranking("Places by country")[0] == ["Germany", "8", "57.1%"]
    visitor.page.get_by_role("radio", name="Entry").click()
    assert visitor.wait().ranking("Pages by entry")[0] == ["/", "14", "14"]
    visitor.page.get_by_role("link", name="Austria", exact=True).click()
    visitor.page.wait_for_url("**filter=**")
    visitor.wait()
    assert filters_of(visitor) == ["property.$country:is:AT"]
    assert visitor.page.get_by_role("button", name="$country is AT").count() == 1
    assert (visitor.tile("Visitors"), visitor.tile("Bounce rate")) == ("3", "100.0%")
    # What was chosen before stays, and Back leads back.
    assert visitor.ranking("Pages by entry") == [["/", "3", "3"]]
    visitor.page.go_back()
    visitor.page.wait_for_url(lambda url: "filter" not in url)
    assert visitor.wait().tile("Visitors") == "14"


def test_an_entry_or_exit_page_filters_the_sessions_that_begin_or_end_there(visit, site):
    """All have seen `/`. Three visitors saw nothing else, and the sessions of three others began and ended on `/now`."""
    visitor = visit(site).open("web", pages="Exit")
    visitor.page.get_by_role("link", name="/", exact=True).click()
    visitor.page.wait_for_url("**filter=**")
    visitor.wait()
    assert [json.loads(text)["session"].keys() for text in filters_of(visitor)] == [{"exit", "among"}]
    assert visitor.page.get_by_role("button", name="Exit: page is /", exact=True).count() == 1
    assert [visitor.tile(name) for name in ("Visitors", "Sessions", "Bounce rate")] == ["3", "3", "100.0%"]
    visitor.page.go_back()
    visitor.page.wait_for_url(lambda url: "filter" not in url)
    visitor.wait()
    visitor.page.get_by_role("radio", name="Entry").click()
    visitor.wait()
    visitor.page.get_by_role("link", name="/", exact=True).click()
    visitor.page.wait_for_url("**filter=**")
    visitor.wait()
    assert visitor.page.get_by_role("button", name="Entry: page is /", exact=True).count() == 1
    # With all pages of these sessions, not only `/`.
    assert [visitor.tile(name) for name in ("Visitors", "Sessions", "Page views")] == ["14", "14", "25"]


def test_all_rows_are_behind_a_button_and_in_a_file(visit, site):
    visitor = visit(site).open("web")
    rows = site.ask("/stats/web/top", by="page", limit=100, **site.last(30))["rows"]
    assert len(rows) == 13
    visitor.page.get_by_role("button", name="All 13").click()
    shown = visitor.ranking("Pages by top, more")
    assert [[row[0], row[1]] for row in shown] == [[row["key"], str(row["visitors"])] for row in rows]
    visitor.page.keyboard.press("Escape")
    with visitor.page.expect_download() as found:
        visitor.page.get_by_role("button", name="CSV").first.click()
    text = found.value.path().read_text("utf-8-sig")
    assert [row["page"] for row in csv.DictReader(io.StringIO(text))] == [row["key"] for row in rows]


def test_a_country_of_the_map_filters_by_it(visit, site):
    visitor = visit(site)
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.open("web", world="Asia")
    visitor.page.get_by_text("Not on the map: Tuvalu.").wait_for()
    visitor.page.get_by_label("Germany: 8 visitors").wait_for(state="attached")
    assert f"{site.url}{countries.PATH}" in asked  # and of no other host, as for all visitors
    assert serious_violations(visitor.page) == []
    click_on_map(visitor, "Singapore: 2 visitors")
    assert filters_of(visitor) == ["property.$country:is:SG"]
    assert visitor.tile("Visitors") == "2"


def test_a_city_of_the_map_filters_by_it(visit, site):
    visitor = visit(site).open("web", world="Europe")
    click_on_map(visitor, "Berlin: 1 visitor")
    assert filters_of(visitor) == ["property.$city:is:Berlin"]


def test_who_is_on_the_site_now_is_counted_again_and_again(visit, site):
    visitor = visit(site).open("live")
    assert visitor.tile("Visitors, last 5 minutes") == str(NOW_HERE)
    assert visitor.ranking("Pages, last 30 minutes") == [["/now", "3"]]
    assert visitor.ranking("Countries, last 30 minutes") == [["Germany", "3"]]
    before = visitor.page.get_by_text("As of ").inner_text()
    visitor.page.wait_for_function("text => !document.body.innerText.includes(text)", arg=before)
    visitor.page.get_by_role("link", name="/now").click()
    visitor.page.wait_for_url("**/live?**filter=**")
    assert filters_of(visitor.wait()) == ["property.page:is:/now"]


def test_the_pages_of_a_site_come_first_if_there_is_one(visit, site, empty_dashboard):
    def listed(dashboard):
        links = visit(dashboard).open("").page.get_by_test_id("stSidebarNav").get_by_role("link")
        return [name for text in links.all_inner_texts() for name in PAGES if name in text]

    assert listed(site) == PAGES
    assert listed(empty_dashboard) == [*PAGES[2:], *PAGES[:2]]
