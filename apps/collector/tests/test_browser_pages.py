"""The tracker script in Chromium: which page views it sends, and their properties."""

import json
from datetime import UTC, datetime

import pytest
import requests
from sites import track, until, wait_until_sent

from event_tracker.cli.ingest.logs.events import EventMaker
from event_tracker.cli.ingest.logs.options import LogOptions
from event_tracker.cli.ingest.logs.request import Request

SEARCH = "http://search.test/"


def go(page, path):
    """Navigate as apps on the Navigation API do, without `history`."""
    page.evaluate("async (path) => { await navigation.navigate(path).finished }", path)


def test_pages_of_the_navigation_api_are_views_once_each(shop, page):
    page.goto(f"{shop.site.origin}/")
    page.evaluate("navigation.addEventListener('navigate', (event) => event.intercept({ handler: async () => {} }))")
    for path in ("/products", "/products/7", "/products/7", "/products/7?sort=1", "/cart"):
        go(page, path)
    page.evaluate("history.pushState({}, '', '/pushed')")
    page.evaluate("history.replaceState({}, '', '/replaced')")
    page.evaluate("async () => { await navigation.back().finished }")
    wait_until_sent(page)
    names = ("/", "/products", "/products/7", "/cart", "/pushed", "/replaced", "/cart")
    assert shop.stored("page") == [("page_view", name) for name in names]


def test_parameters_that_are_named_belong_to_the_page(shop, page):
    shop.put(attributes='data-page-parameters="t, page"')
    page.goto(f"{shop.site.origin}/viewtopic.php?t=1")
    page.goto(f"{shop.site.origin}/viewtopic.php?secret=1&page=2&t=%C3%A9%20b#/route")
    page.evaluate("history.pushState({}, '', '?t=3')")
    page.evaluate("history.pushState({}, '', '?t=3&secret=2')")
    page.evaluate("history.pushState({}, '', '?secret=2')")
    page.click("#buy")
    wait_until_sent(page)
    assert shop.stored("page") == [
        ("page_view", "/viewtopic.php?t=1"),
        ("page_view", "/viewtopic.php?t=%C3%A9+b&page=2#/route"),
        ("page_view", "/viewtopic.php?t=3"),
        ("page_view", "/viewtopic.php"),
        ("buy", "/viewtopic.php"),
    ]


def test_the_referrer_is_that_of_the_visit(shop, page, context):
    context.clock.install()
    page.goto(f"{shop.site.origin}/a", referer=f"{SEARCH}?q=secret")
    page.evaluate("history.pushState({}, '', '/b')")
    page.goto(f"{shop.site.origin}/c", referer=f"{shop.site.origin}/b")
    page.goto(f"{shop.site.origin}/d", referer="http://pay.test/done")  # the visit goes on
    wait_until_sent(page)
    context.clock.fast_forward(31 * 60_000)
    page.evaluate("history.pushState({}, '', '/e')")  # another visit, which nobody brought
    wait_until_sent(page)
    page.goto(f"{shop.site.origin}/f", referer=f"{shop.site.origin}/e")
    wait_until_sent(page)
    assert shop.stored("page", "referrer") == [
        *[("page_view", name, SEARCH) for name in ("/a", "/b", "/c", "/d")],
        *[("page_view", name, None) for name in ("/e", "/f")],
    ]


ESCAPED = {
    "/caf%C3%A9": "/café",
    "/caf%c3%a9s": "/cafés",
    "/a%20b+c": "/a b+c",
    "/100%25": "/100%25",
    "/a%2fb%3F%23": "/a%2Fb%3F%23",
    "/%E6%9D%B1%E4%BA%AC/%F0%9F%98%80%F0%9F%98%80": "/東京/😀😀",
    "/not-utf8-%c3%28-%ff%41": "/not-utf8-%C3%28-%FF%41",
    "/half%ED%A0%BDpair": "/half%ED%A0%BDpair",
    "/unseen%0a%7f%C2%85%E2%80%A8end": "/unseen%0A%7F%C2%85%E2%80%A8end",
    "/not%zzhex%4": "/not%zzhex%4",
    "/plain(1)~[2]'": "/plain(1)~[2]'",
}
"""Paths as they are requested, and their names."""


def test_a_page_has_one_name_in_the_browser_and_in_the_servers_log(shop, page):
    for path in ESCAPED:
        page.goto(f"{shop.site.origin}{path}")
    wait_until_sent(page)
    assert [name for _, name in shop.stored("page")] == list(ESCAPED.values())
    make = EventMaker(LogOptions(secret="s" * 32)).make
    now = datetime.now(UTC)
    logged = [make(Request(now, "192.0.2.1", "GET", path, status=200, request_id=path)).event for path in ESCAPED]
    sent = requests.post(
        f"{shop.collector.url}/events",
        json=[json.loads(event) for event in logged if event],
        headers={"X-Write-Key": shop.key},
        timeout=60,
    )
    assert sent.json()["stored"] == len(ESCAPED), sent.text
    views = shop.owner.execute("select properties ->> 'page', count(*) from events group by 1").fetchall()
    assert dict(views) == dict.fromkeys(ESCAPED.values(), 2)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("utm_source=news&utm_content=" + "x" * 45_000, {"utm_source": "news", "utm_content": "x" * 500}),
        ("utm_term=" + "%F0%9F%98%80" * 501, {"utm_term": "😀" * 500}),
        ("utm_source=news&utm_" + "x" * 45_000 + "=1", {"utm_source": "news"}),
        ("&".join(f"utm_{n}={'%01' * 1000}" for n in range(50)), {f"utm_{n}": "\x01" * 500 for n in range(10)}),
    ],
    ids=["value", "emoji", "name", "many"],
)
def test_a_long_campaign_is_cut_and_the_view_counted(shop, page, query, expected):
    page.goto(f"{shop.site.origin}/")
    page.evaluate("(query) => history.pushState({}, '', '/landing?' + query)", query)
    wait_until_sent(page)
    ((_, properties),) = shop.owner.execute(
        "select event_type, properties from events where properties ->> 'page' = '/landing'"
    ).fetchall()
    assert {name: value for name, value in properties.items() if name.startswith("utm_")} == expected


def test_a_long_path_is_cut_and_the_view_counted(shop, page):
    page.goto(f"{shop.site.origin}/")
    page.evaluate("history.pushState({}, '', '/' + 'x'.repeat(45000))")
    page.evaluate("document.querySelector('#out').href += '/' + 'x'.repeat(45000)")
    page.click("#out")
    wait_until_sent(page)
    long = "/" + "x" * 1999
    assert shop.stored("page") == [("page_view", "/"), ("page_view", long), ("outbound_click", long)]


def test_a_frame_without_an_address_is_no_page_and_its_clicks_are_the_outer_pages(shop, page):
    inner = shop.site.html.replace("&", "&amp;").replace('"', "&quot;")
    shop.site.html = f'<!doctype html><iframe srcdoc="{inner}"></iframe>'
    page.goto(f"{shop.site.origin}/outer?token=secret")
    frame = page.frame_locator("iframe")
    frame.locator("#buy").click()
    frame.locator("#in").click()
    until(page, "Object.keys(localStorage).some((name) => name.startsWith('tracker:clock'))")
    wait_until_sent(page)
    assert shop.stored("page") == [("buy", "/outer")]


def test_the_back_forward_cache_keeps_the_referrer(shop, page):
    page.goto(f"{shop.site.origin}/a", referer=SEARCH)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    track(page, "mine")
    wait_until_sent(page)
    assert shop.stored("page", "referrer") == [("page_view", "/a", SEARCH)] * 2 + [("mine", None, None)]
