"""The tracker script in Chromium: whatever goes wrong on the way to the collector, no event is lost or stored twice."""

import contextlib
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import psycopg
import pytest
import requests
from playwright.sync_api import Error
from ports import free_port
from sites import (
    WAITING,
    Shop,
    make_source,
    start_guarded,
    track,
    until,
    wait_until_paused,
    wait_until_sent,
)
from waiting import eventually

from event_tracker.collector.browser.tracker_script import NEWEST
from event_tracker.core.secrets.keys import make_key


def test_an_hour_offline_loses_and_doubles_nothing(shop, page, context):
    context.clock.install()
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    context.set_offline(True)
    for n in range(150):
        track(page, "offline", {"n": n, "filling": "x" * 200})
    until(page, "'tracker:pause' in localStorage")  # it tried, and failed
    for _ in range(6):
        context.clock.fast_forward(10 * 60_000)
    for n in range(150, 300):
        track(page, "offline", {"n": n, "filling": "x" * 200})
    assert page.evaluate(WAITING) == 300
    context.set_offline(False)
    wait_until_sent(page)
    found = [n for kind, n in shop.stored("n") if kind == "offline"]
    assert sorted(found) == list(range(300))
    # By the collector's clock, which the tracker knows to the second, the two halves may have come within one.
    assert [n for n in found if n < 150] == list(range(150))
    # The clock of the page was put forward by an hour: what happened after that was corrected by the collector's.
    assert shop.owner.execute(
        "select count(*) from events where timestamp > now() + '10s' or timestamp < now() - '10min'::interval"
    ).fetchone() == (0,)


def test_a_killed_collector_loses_and_doubles_nothing(shop, page, start_service, postgres, database):
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    with page.expect_request("**/events?*"):
        for n in range(20):
            track(page, "before", {"n": n})
    shop.collector.kill()
    for n in range(20):
        track(page, "meanwhile", {"n": n})
    until(page, "'tracker:pause' in localStorage")
    port = int(shop.collector.url.rpartition(":")[2])
    start_guarded(start_service, postgres.url(database, "collector"), PORT=port)
    wait_until_sent(page)
    expected = [(name, n) for name in ("before", "meanwhile") for n in range(20)]
    assert shop.stored("n") == [("page_view", None), *expected]


def test_an_answer_that_is_lost_doubles_nothing(shop, page):
    lost = []

    def lose(route):
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch())  # it reaches the collector
            route.abort()

    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    page.route("**/events?*", lose)
    track(page, "once")
    wait_until_sent(page)
    assert lost[0].json()["stored"] == 1
    assert shop.stored() == [("page_view",), ("once",)]


def test_a_collector_that_is_silent_is_given_up_and_asked_again(shop, page):
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    with shop.collector.silent():
        track(page, "once")
        wait_until_paused(page, 0)
    wait_until_sent(page)  # the first request is answered too, to nobody
    assert shop.stored() == [("page_view",), ("once",)]


def test_while_the_database_is_away_events_wait(site, page, own_postgres, start_service):
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
        key = make_source(owner, "shop", [site.origin])
    collector = start_guarded(start_service, own_postgres.url("events", "collector"))
    site.put(f"{collector.url}/tracker.js", key)
    page.goto(f"{site.origin}/")
    wait_until_sent(page)
    own_postgres.stop("immediate")
    track(page, "meanwhile")
    wait_until_paused(page, 503)
    assert page.evaluate(WAITING) == 1
    own_postgres.start()
    wait_until_sent(page)
    with psycopg.connect(own_postgres.url("events")) as owner:
        assert Shop(site, collector, owner, key).stored() == [("page_view",), ("meanwhile",)]


def test_two_tabs_share_user_and_session_and_double_nothing(shop, context):
    tabs = [context.new_page() for _ in range(2)]
    for tab in tabs:
        tab.goto(f"{shop.site.origin}/")
    context.set_offline(True)
    for n in range(40):
        for number, tab in enumerate(tabs):
            track(tab, "both", {"n": n, "tab": number})
    context.set_offline(False)
    for tab in tabs:
        wait_until_sent(tab)
    found = shop.stored("tab", "n")
    assert sorted(found[2:]) == [("both", tab, n) for tab in range(2) for n in range(40)]
    assert [kind for kind, *_ in found[:2]] == ["page_view"] * 2
    assert shop.owner.execute("select count(distinct user_id), count(distinct session_id) from events").fetchone() == (
        1,
        1,
    )


def test_a_tab_that_crashes_leaves_its_events_to_another(shop, context):
    context.clock.install()
    context.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    crashing = context.new_page()
    crashing.goto(f"{shop.site.origin}/crashed")
    assert crashing.evaluate(WAITING) == 1
    with crashing.expect_event("crash"), contextlib.suppress(Error):
        crashing.goto("chrome://crash")
    crashing.close()
    other = context.new_page()
    other.goto(f"{shop.site.origin}/other")
    context.clock.run_for(10_000)
    until(other, f"{WAITING} === 1")
    assert shop.stored("page") == [("page_view", "/other")]  # the first one may yet be sent by its own page
    context.clock.run_for(60_000)
    wait_until_sent(other)
    assert sorted(shop.stored("page")) == [("page_view", "/crashed"), ("page_view", "/other")]


def test_a_wrong_key_keeps_events_until_it_is_mended(shop, page, context):
    context.clock.install()
    shop.put(key=make_key("wk").key)
    page.goto(f"{shop.site.origin}/wrong")
    wait_until_paused(page, 401)
    shop.put()
    page.goto(f"{shop.site.origin}/right")
    context.clock.fast_forward(4 * 60_000)
    assert page.evaluate(WAITING) == 2
    assert shop.stored() == []
    context.clock.fast_forward(61_000)
    wait_until_sent(page)
    assert shop.stored("page") == [("page_view", "/wrong"), ("page_view", "/right")]


def test_a_disabled_source_keeps_events_until_it_is_enabled(shop, page, context):
    context.clock.install()
    shop.owner.execute("update sources set enabled = false where name = 'shop'")
    body = {"user_id": "probe", "event_type": "probe"}
    url = f"{shop.collector.url}/events?dry_run=true&write_key={shop.key}"
    assert eventually(lambda: requests.post(url, json=body, timeout=30).status_code == 403)
    page.goto(f"{shop.site.origin}/")
    wait_until_paused(page, 0)  # as no source allows its origin now, the page may not read the answer
    assert page.evaluate(WAITING) == 1
    shop.owner.execute("update sources set enabled = true where name = 'shop'")
    assert eventually(lambda: requests.post(url, json=body, timeout=30).status_code == 200)
    context.clock.fast_forward(5 * 60_000)
    wait_until_sent(page)
    assert shop.stored() == [("page_view",)]


def test_a_rate_limit_slows_and_loses_nothing(site, page, start_service, postgres, database, owner):
    key = make_source(owner, "shop", [site.origin], rate_limit=5)
    shop = Shop(site, start_guarded(start_service, postgres.url(database, "collector")), owner, key)
    shop.put(attributes='data-auto="false"')
    page.goto(f"{site.origin}/")
    with page.expect_response(lambda answer: answer.status == 429) as first:
        page.evaluate("for (let n = 0; n < 130; n++) tracker.track('many', { n, filling: 'x'.repeat(400) })")
    (ends, *_) = wait_until_paused(page, 429)
    refused = parsedate_to_datetime(first.value.headers["date"]).timestamp()
    assert ends / 1000 >= refused + int(first.value.headers["retry-after"])  # its own first pause is a second at most
    wait_until_sent(page)
    assert shop.stored("n") == [("many", n) for n in range(130)]


def test_attempts_grow_rare_and_never_rarer_than_five_minutes(site, page, context):
    context.clock.install()
    context.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    put_without_collector(site)
    page.goto(f"{site.origin}/")
    for failures in range(1, 13):
        context.clock.fast_forward(5 * 60_000 + 5_000)
        until(page, f"(JSON.parse(localStorage['tracker:pause'] || '[]')[2]) === {failures}")
        left = page.evaluate("(JSON.parse(localStorage['tracker:pause'])[0] - Date.now()) / 1000")
        most = min(300, 2 ** (failures - 1))
        assert most / 2 <= left <= most
    assert page.evaluate(WAITING) == 1


def test_a_page_of_another_origin_stores_nothing_and_stops_in_the_end(shop, page, context):
    shop.owner.execute("update sources set allowed_origins = '{https://elsewhere.test}' where name = 'shop'")
    asked = {"Origin": shop.site.origin, "Access-Control-Request-Method": "POST"}
    url = f"{shop.collector.url}/events"
    assert eventually(
        lambda: "Access-Control-Allow-Origin" not in requests.options(url, headers=asked, timeout=30).headers
    )
    context.clock.install()
    page.goto(f"{shop.site.origin}/")
    wait_until_paused(page, 0)  # it looks like no network
    assert page.evaluate(WAITING) == 1
    context.clock.fast_forward(8 * 86_400_000)
    until(page, f"{WAITING} === 0")  # too old by now
    assert shop.stored() == []


def test_pages_that_tell_no_referrer_deliver_too(shop, page):
    shop.site.headers = {"Referrer-Policy": "no-referrer"}
    page.goto(f"{shop.site.origin}/a")
    page.goto(f"{shop.site.origin}/b")  # the beacon of the first page names no origin, and is refused
    wait_until_sent(page)
    assert shop.stored("page") == [("page_view", "/a"), ("page_view", "/b")]


def put_without_collector(site):
    """Pages whose tracker is their own and finds no collector."""
    endpoint = f"http://127.0.0.1:{free_port()}/events"
    site.html = (
        f'<!doctype html><script data-endpoint="{endpoint}" data-write-key="wk_x">{NEWEST.plain.decode()}</script>'
    )


def test_the_queue_is_bounded(site, page):
    put_without_collector(site)
    page.goto(f"{site.origin}/")
    page.evaluate("for (let n = 0; n < 1100; n++) tracker.track('many', {n})")
    assert page.evaluate(WAITING) == 1000
    page.evaluate("for (let n = 0; n < 60; n++) tracker.track('large', {text: 'x'.repeat(30000)})")
    assert 30 < page.evaluate(WAITING) < 40


@pytest.mark.parametrize("how", ["denied", "missing", "unwanted"])
def test_without_storage_it_works_for_the_page(shop, page, how):
    if how == "unwanted":
        shop.put(attributes='data-storage="none"')
    else:
        get = "throw new Error('denied')" if how == "denied" else "return null"
        page.add_init_script(f"Object.defineProperty(window, 'localStorage', {{ get() {{ {get} }} }})")
    page.goto(f"{shop.site.origin}/")
    track(page, "mine")
    assert eventually(lambda: shop.stored() == [("page_view",), ("mine",)])
    if how == "unwanted":
        assert page.evaluate("localStorage.length") == 0


def test_a_full_storage_is_survived(shop, page, context):
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    context.set_offline(True)
    track(page, "before")
    page.evaluate(
        "let n = 0; for (let size = 1e6; size >= 1; ) try { localStorage['x' + n++] = 'x'.repeat(size) } catch { size = Math.floor(size / 10) }"
    )
    track(page, "after")
    context.set_offline(False)
    wait_until_sent(page)
    assert eventually(lambda: shop.stored() == [("page_view",), ("before",), ("after",)])
