"""A web site with the browser's tracker on its pages, and the events that its collector has stored."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import psycopg
from playwright.sync_api import Page
from servers import Service

from event_tracker.core.secrets.keys import make_key

BODY = """
<button id="buy" data-track="buy" data-track-plan="pro" data-track-seat-count="3"><b>Buy</b></button>
<a id="out" href="http://elsewhere.test/docs?token=secret#part">elsewhere</a>
<a id="in" href="/inside">inside</a>
<script>
  document.addEventListener("securitypolicyviolation", (event) => (window.violations ||= []).push(event.violatedDirective));
  document.addEventListener("click", (event) => event.target.closest("a") && event.preventDefault());
</script>
"""


class Site:
    """A web site with its own origin. All paths have the same page, except those in `pages`.

    Attributes:
        html: the page.
        pages: the pages of other paths, by path.
        headers: headers of its answers beside Content-Type.
    """

    def __init__(self) -> None:
        self.html = ""
        self.pages: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.pages.get(self.path.partition("?")[0], site.html).encode()
                self.send_response(200)
                for name, value in {"Content-Type": "text/html; charset=utf-8", **site.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def put(self, src: str, key: str, attributes: str = "", body: str = BODY) -> None:
        """Make all pages load the tracker from `src`, with this key and further attributes."""
        self.html = (
            "<!doctype html><meta charset=utf-8><title>Shop</title>"
            f'<script defer src="{src}" data-write-key="{key}" {attributes}></script>{body}'
        )

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Shop(NamedTuple):
    """A site, a collector that requires its key, and a connection of the database's owner."""

    site: Site
    collector: Service
    owner: psycopg.Connection
    key: str

    def put(self, key: str | None = None, **options: str) -> None:
        """Make the site's pages; `options` are those of `Site.put`."""
        self.site.put(f"{self.collector.url}/tracker.js", key or self.key, **options)

    def stored(self, *properties: str) -> list[tuple[Any, ...]]:
        """The type and these properties of each stored event, in order. An event that is stored twice appears twice."""
        found = self.owner.execute(
            "select event_type, properties from events where source = 'shop' order by timestamp, event_id"
        ).fetchall()
        return [(kind, *(held.get(name) for name in properties)) for kind, held in found]


def make_source(owner: psycopg.Connection, name: str, origins: list[str], rate_limit: int | None = None) -> str:
    """Create a source with one key, and return the key."""
    new = make_key("wk")
    owner.execute(
        "insert into sources (name, allowed_origins, rate_limit) values (%s, %s, %s)", [name, origins, rate_limit]
    )
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, %s, %s)", [new.prefix, name, new.hash])
    return new.key


def start_guarded(start_service: Callable[..., Service], url: str, **settings: Any) -> Service:
    """Start a collector that requires a key."""
    return start_service("collector", DATABASE_URL=url, AUTH="required", **settings)


WAITING = "Object.keys(localStorage).filter((name) => name.startsWith('tracker:event:')).length"
"""JavaScript: the number of events in the page's storage that weren't answered yet."""


def until(page: Page, expression: str, seconds: float = 60) -> Any:
    """Wait until an expression is true, and return its value. Playwright's own wait uses eval, which a strict policy forbids."""
    deadline = time.monotonic() + seconds
    while not (true := page.evaluate(expression)):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)
    return true


def wait_until_paused(page: Page, status: int) -> Any:
    """Wait until the tracker pauses because of an answer with this status, or of no answer (0).

    The pause begins only after the answer has arrived, when the tracker has read it.

    Returns:
        The end of the pause, the status, and the number of failures.
    """
    return until(
        page, f"((pause) => pause[1] === {status} && pause)(JSON.parse(localStorage['tracker:pause'] || '[]'))"
    )


def wait_until_sent(page: Page) -> None:
    """Wait until the collector has answered every event."""
    until(page, f"{WAITING} === 0")


def track(page: Page, name: str, properties: dict[str, Any] | None = None) -> None:
    """Call `tracker.track` in the page."""
    page.evaluate("([name, properties]) => tracker.track(name, properties)", [name, properties])
