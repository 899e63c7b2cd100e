"""The tracker script in Chromium with agents, blocked site data and proxies in its way."""

import json

import pytest
from browsing import CHROMIUM_FLAGS
from sites import WAITING, Shop, make_source, start_guarded, track, wait_until_paused, wait_until_sent
from tools import tool
from waiting import eventually

AGENT = """<script>
  const send = window.fetch;
  window.fetch = (url, options) => send(url, { ...options, headers: {
    ...options.headers, baggage: "a=1", traceparent: "00-1-2-01", tracestate: "b=2", "sentry-trace": "1-2-1", "x-of-an-agent": "3" } });
</script>"""


def test_an_agent_that_adds_headers_to_each_request_is_in_nobodys_way(shop, page):
    shop.put(body=AGENT)
    refused = []
    page.on("console", lambda message: refused.append(message.text) if "CORS" in message.text else None)
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    assert refused == []
    assert shop.stored() == [("page_view",)]


def test_a_sandboxed_frame_sends_what_happens_in_it(site, page, start_service, postgres, database, owner):
    collector = start_guarded(start_service, postgres.url(database, "collector"))
    shop = Shop(site, collector, owner, make_source(owner, "shop", ["*"]))
    shop.put()
    site.pages["/outer"] = '<!doctype html><iframe sandbox="allow-scripts" src="/inner"></iframe>'
    page.goto(f"{site.origin}/outer")
    assert eventually(lambda: shop.stored("page") == [("page_view", "/inner")])


def test_where_site_data_is_blocked_events_are_sent_while_their_page_is_open(shop, browser, tmp_path):
    (tmp_path / "Default").mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(blocked))
    chromium = tool("chromium", "chromium-browser", "google-chrome")
    context = browser.browser_type.launch_persistent_context(tmp_path, executable_path=chromium, args=CHROMIUM_FLAGS)
    context.set_default_timeout(60_000)
    try:
        page = context.pages[0]
        page.goto(f"{shop.site.origin}/")
        assert page.evaluate("(() => { try { return !localStorage } catch { return true } })()")
        track(page, "mine")
        assert eventually(lambda: shop.stored() == [("page_view",), ("mine",)])
    finally:
        context.close()


def misroute(page, status, content_type="text/html"):
    """Have a proxy answer in the collector's place."""
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": content_type}
    page.route("**/events?*", lambda route: route.fulfill(status=status, headers=headers, body="<p>nginx</p>"))


@pytest.mark.parametrize("status", [200, 404, 405, 413, 415])
def test_what_a_misrouted_proxy_answers_deletes_nothing(shop, page, context, status):
    context.clock.install()
    misroute(page, status)
    page.goto(f"{shop.site.origin}/")
    wait_until_paused(page, status)
    assert page.evaluate(WAITING) == 1
    page.unroute("**/events?*")
    context.clock.fast_forward(5 * 60_000 + 1000)
    wait_until_sent(page)
    assert shop.stored() == [("page_view",)]


def test_a_fetch_of_somebody_elses_that_answers_little_deletes_nothing(shop, page):
    page.add_init_script("window.fetch = async () => ({ ok: true, status: 200, json: async () => ({}) })")
    page.goto(f"{shop.site.origin}/")
    wait_until_paused(page, 200)
    assert page.evaluate(WAITING) == 1


@pytest.mark.parametrize(("path", "status"), [("nowhere", 404), ("livez", 405)])
def test_a_wrong_endpoint_is_waited_for_until_events_are_too_old(shop, page, context, path, status):
    context.clock.install()
    shop.put(attributes=f'data-endpoint="{shop.collector.url}/{path}"')
    page.goto(f"{shop.site.origin}/")
    wait_until_paused(page, status)
    assert page.evaluate(WAITING) == 1
    context.clock.fast_forward(8 * 86_400_000)
    wait_until_sent(page)  # given up
    assert shop.stored() == []
