"""The browser's tracker in Chromium where others are in its way: agents, blocked site data, proxies."""

from sites import wait_until_sent

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


def misroute(page, status, content_type="text/html"):
    """Have a proxy answer in the collector's place."""
    headers = {"Access-Control-Allow-Origin": "*", "Content-Type": content_type}
    page.route("**/events?*", lambda route: route.fulfill(status=status, headers=headers, body="<p>nginx</p>"))
