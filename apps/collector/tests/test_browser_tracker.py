"""The tracker script in Chromium: what it records of a visit to a page of another origin than the collector's."""

from datetime import UTC, datetime, timedelta

import pytest
from sites import BODY, track, until, wait_until_sent

from event_tracker.collector.browser.tracker_script import NEWEST


def test_a_page_view_is_stored_once(shop, page):
    page.goto(f"{shop.site.origin}/pricing?token=secret&utm_source=news#top", referer="http://search.test/?q=secret")
    wait_until_sent(page)
    assert shop.stored("page", "referrer", "utm_source", "host") == [
        ("page_view", "/pricing", "http://search.test/", "news", shop.site.origin.removeprefix("http://"))
    ]
    ((user, session, timestamp, text),) = shop.owner.execute(
        "select user_id, session_id, timestamp, properties::text from events"
    ).fetchall()
    assert user == page.evaluate("JSON.parse(localStorage['tracker:anonymous'])")
    assert session == page.evaluate("JSON.parse(localStorage['tracker:session'])[0]")
    assert abs(datetime.now(UTC) - timestamp) < timedelta(minutes=1)
    assert "secret" not in text
    assert page.evaluate("document.cookie") == ""


def test_pages_without_a_load_are_views_too(shop, page):
    page.goto(f"{shop.site.origin}/", referer="http://search.test/?q=secret")
    page.evaluate("history.pushState({}, '', '/a')")
    page.evaluate("history.replaceState({}, '', '/b')")
    page.evaluate("history.replaceState({}, '', '/b?filter=1')")
    page.evaluate("history.pushState({}, '', '/c#/route?secret')")
    page.go_back()
    page.wait_for_url("**/b?filter=1")
    wait_until_sent(page)
    assert shop.stored("page") == [("page_view", name) for name in ("/", "/a", "/b", "/c#/route", "/b")]
    assert shop.stored("referrer") == [("page_view", "http://search.test/")] * 5


def test_a_page_that_is_loaded_has_its_title(shop, page):
    """A route that is shown later has the title of the one before until its own is set."""
    page.goto(f"{shop.site.origin}/mugs")
    page.evaluate("history.pushState({}, '', '/cups')")
    wait_until_sent(page)
    assert shop.stored("page", "title") == [("page_view", "/mugs", "Shop"), ("page_view", "/cups", None)]


def test_clicks_are_recorded_by_attributes(shop, page):
    page.goto(f"{shop.site.origin}/pricing")
    page.click("#buy b")
    page.click("#buy", button="right")
    page.click("#in")
    page.click("#out")
    page.click("#out", button="middle")
    wait_until_sent(page)
    out = ("outbound_click", "/pricing", None, None, "http://elsewhere.test/docs")
    assert shop.stored("page", "plan", "seat-count", "url") == [
        ("page_view", "/pricing", None, None, None),
        ("buy", "/pricing", "pro", "3", None),
        out,
        out,
    ]


def test_nothing_is_recorded_by_itself_where_auto_is_false(shop, page):
    shop.put(attributes='data-auto="false"')
    page.goto(f"{shop.site.origin}/")
    page.click("#buy")
    page.evaluate("history.pushState({}, '', '/a')")
    track(page, "mine", {"n": 1})
    wait_until_sent(page)
    assert shop.stored("n") == [("mine", 1)]


def test_a_strict_policy_and_integrity_are_kept(shop, page):
    """The policy and the snippet of docs/browser.md; the page's own script has a nonce."""
    url = shop.collector.url
    policy = (
        f"default-src 'none'; script-src {url}/tracker-{NEWEST.version}.js 'nonce-test'; connect-src {url}/events; "
        "require-trusted-types-for 'script'"
    )
    shop.site.headers = {"Content-Security-Policy": policy, "Cross-Origin-Embedder-Policy": "require-corp"}
    shop.site.put(
        f"{url}/tracker-{NEWEST.version}.js",
        shop.key,
        attributes=f'integrity="{NEWEST.integrity}" crossorigin="anonymous"',
        body=BODY.replace("<script>", '<script nonce="test">'),
    )
    page.goto(f"{shop.site.origin}/")
    page.click("#buy")
    wait_until_sent(page)
    assert page.evaluate("window.violations") is None
    assert shop.stored() == [("page_view",), ("buy",)]


def test_identify_names_what_comes_after_and_reset_forgets(shop, page):
    page.goto(f"{shop.site.origin}/")
    page.evaluate("tracker.identify('ann')")
    track(page, "login")
    page.evaluate("tracker.reset()")
    track(page, "later")
    wait_until_sent(page)
    (first, _), (second, _), (third, _), (last, _) = rows = shop.owner.execute(
        "select user_id, session_id from events order by timestamp"
    ).fetchall()
    assert shop.stored() == [("page_view",), ("identify",), ("login",), ("later",)]
    assert second == third == "ann"
    assert len({first, second, last}) == 3
    assert rows[0][1] == rows[1][1] == rows[2][1] != rows[3][1]


def links(shop):
    return shop.owner.execute("select source, alias, person from links order by at").fetchall()


def test_identify_links_the_anonymous_id_once(shop, page):
    page.goto(f"{shop.site.origin}/")
    anonymous = page.evaluate("JSON.parse(localStorage['tracker:anonymous'])")
    for path in ("a", "b"):
        page.evaluate("tracker.identify('ann')")
        page.goto(f"{shop.site.origin}/{path}")
        page.evaluate("tracker.identify('ann')")
    wait_until_sent(page)
    views = [("page_view", None)]
    assert shop.stored("anonymous_id") == [*views, ("identify", anonymous), *views, *views]
    assert links(shop) == [("shop", anonymous, "ann")]
    # Another user of the same browser is another pair; who was linked before isn't linked again.
    page.evaluate("tracker.identify('bob'); tracker.identify('ann'); tracker.identify('bob')")
    wait_until_sent(page)
    assert links(shop) == [("shop", anonymous, "ann"), ("shop", anonymous, "bob")]
    assert shop.stored("anonymous_id")[4:] == [("identify", anonymous)]


def test_who_is_identified_first_has_no_anonymous_id_to_link(shop, page):
    shop.put(attributes='data-auto="false"')
    page.goto(f"{shop.site.origin}/")
    page.evaluate("tracker.identify('ann')")
    track(page, "mine")
    page.evaluate("tracker.reset()")
    track(page, "anonymous")
    page.evaluate("tracker.identify('ann')")
    wait_until_sent(page)
    assert shop.stored() == [("mine",), ("anonymous",), ("identify",)]
    ((_, alias, person),) = links(shop)
    assert (shop.owner.execute("select user_id from events where event_type = 'anonymous'").fetchall(), person) == (
        [(alias,)],
        "ann",
    )


def test_a_wrong_call_breaks_nothing(shop, page):
    page.goto(f"{shop.site.origin}/")
    page.evaluate("const loop = {}; loop.loop = loop; tracker.track('loop', loop)")
    page.evaluate("tracker.track('large', {text: 'é'.repeat(30000)})")
    page.evaluate("tracker.identify('')")
    page.evaluate("tracker.track('x'.repeat(200))")  # refused by the collector, its neighbours stored
    track(page, "good")
    wait_until_sent(page)
    assert shop.stored() == [("page_view",), ("good",)]


def test_a_session_ends_after_half_an_hour_of_silence(shop, page, context):
    context.clock.install()
    page.goto(f"{shop.site.origin}/")
    for name, minutes in (("soon", 29), ("still", 29), ("late", 31)):
        wait_until_sent(page)
        context.clock.fast_forward(minutes * 60_000)
        track(page, name)
    wait_until_sent(page)
    rows = shop.owner.execute("select event_type, session_id from events").fetchall()
    sessions = dict(rows)
    assert len(rows) == len(sessions) == 4
    assert sessions["page_view"] == sessions["soon"] == sessions["still"] != sessions["late"]
    assert shop.owner.execute("select count(distinct user_id) from events").fetchone() == (1,)


@pytest.mark.parametrize(
    ("signal", "respected", "recorded"),
    [
        ("doNotTrack: '1'", True, False),
        ("globalPrivacyControl: true", True, False),
        ("doNotTrack: '1'", False, True),
        ("doNotTrack: '0'", True, True),
    ],
)
def test_do_not_track_is_respected_where_the_site_says_so(shop, page, context, signal, respected, recorded):
    shop.put(attributes=f'data-respect-dnt="{str(respected).lower()}"')
    name, _, value = signal.partition(": ")
    page.add_init_script(f"Object.defineProperty(navigator, '{name}', {{ value: {value} }})")
    context.clock.install()
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    page.goto(f"{shop.site.origin}/")
    track(page, "mine")
    page.evaluate("tracker.identify('ann')")
    context.clock.run_for(60_000)
    if recorded:
        wait_until_sent(page)
    assert ("POST" in sent) is recorded
    assert (page.evaluate("localStorage.length") > 0) is recorded
    assert shop.stored() == ([("page_view",), ("mine",), ("identify",)] if recorded else [])


def test_who_says_do_not_track_later_is_forgotten(shop, page):
    shop.put(attributes='data-respect-dnt="true"')
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    page.evaluate("localStorage.mine = 1")
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    page.reload()
    assert page.evaluate("Object.keys(localStorage)") == ["mine"]


@pytest.mark.parametrize("days", [-3, 3])
def test_a_wrong_clock_is_corrected_by_the_collectors(shop, page, days):
    page.add_init_script(f"const now = Date.now; Date.now = () => now() + {days} * 86400000")
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    ((timestamp,),) = shop.owner.execute("select timestamp from events").fetchall()
    assert abs(datetime.now(UTC) - timestamp) < timedelta(minutes=1)


def test_an_element_named_tracker_is_in_nobodys_way(shop, page):
    shop.put(body='<p id="tracker"></p>')
    page.goto(f"{shop.site.origin}/")
    track(page, "mine")
    wait_until_sent(page)
    assert shop.stored() == [("page_view",), ("mine",)]


def test_the_script_twice_is_the_script_once(shop, page):
    shop.put(body=f'<script defer src="{shop.collector.url}/tracker.js" data-write-key="{shop.key}"></script>')
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    assert shop.stored() == [("page_view",)]


def test_apps_of_one_origin_are_kept_apart_by_namespace(shop, page):
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    shop.put(attributes='data-namespace="admin"')
    page.goto(f"{shop.site.origin}/admin")
    until(page, "Object.keys(localStorage).some((name) => name.startsWith('tracker-admin:clock'))")
    until(page, "!Object.keys(localStorage).some((name) => name.startsWith('tracker-admin:event:'))")
    assert shop.stored("page") == [("page_view", "/"), ("page_view", "/admin")]
    assert shop.owner.execute("select count(distinct user_id) from events").fetchone() == (2,)
