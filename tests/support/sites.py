"""A web site with the browser's tracker on its pages, and what its collector stored of them."""

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
    """A web site of its own origin, whose pages are all the same but for those of `pages`.

    Attributes:
        html: the page.
        pages: by path, those that are different.
        headers: of its answers, beside Content-Type.
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
        """Make all pages load the tracker from there, with this key and more attributes."""
        self.html = (
            "<!doctype html><meta charset=utf-8><title>Shop</title>"
            f'<script defer src="{src}" data-write-key="{key}" {attributes}></script>{body}'
        )

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Shop(NamedTuple):
    """A site, a collector that asks for its key, and a connection of the database's owner."""

    site: Site
    collector: Service
    owner: psycopg.Connection
    key: str

    def put(self, key: str | None = None, **options: str) -> None:
        """Make the site's pages; `options` are those of `Site.put`."""
        self.site.put(f"{self.collector.url}/tracker.js", key or self.key, **options)

    def stored(self, *properties: str) -> list[tuple[Any, ...]]:
        """Type and these properties of each stored event, in order; an event that is there twice is here twice."""
        found = self.owner.execute(
            "select event_type, properties from events where source = 'shop' order by timestamp, event_id"
        ).fetchall()
        return [(kind, *(held.get(name) for name in properties)) for kind, held in found]


def make_source(owner: psycopg.Connection, name: str, origins: list[str], rate_limit: int | None = None) -> str:
    """A source with one key; the key."""
    new = make_key("wk")
    owner.execute(
        "insert into sources (name, allowed_origins, rate_limit) values (%s, %s, %s)", [name, origins, rate_limit]
    )
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, %s, %s)", [new.prefix, name, new.hash])
    return new.key


def start_guarded(start_service: Callable[..., Service], url: str, **settings: Any) -> Service:
    """A collector that lets nobody in without a key."""
    return start_service("collector", DATABASE_URL=url, AUTH="required", **settings)


WAITING = "Object.keys(localStorage).filter((name) => name.startsWith('tracker:event:')).length"
"""JavaScript: how many events the page's origin has that no answer was had for."""


def until(page: Page, expression: str, seconds: float = 60) -> Any:
    """What it is there, once it is true. Playwright's own wait evaluates in the page, which a strict policy forbids."""
    deadline = time.monotonic() + seconds
    while not (true := page.evaluate(expression)):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)
    return true


def wait_until_paused(page: Page, status: int) -> Any:
    """Until an answer of this status, or none (0), makes the tracker wait: until when, the status, and how many failures it was.

    The answer itself comes before that: the tracker reads it first.
    """
    return until(
        page, f"((pause) => pause[1] === {status} && pause)(JSON.parse(localStorage['tracker:pause'] || '[]'))"
    )


def wait_until_sent(page: Page) -> None:
    """Until the collector has answered for every event."""
    until(page, f"{WAITING} === 0")


def track(page: Page, name: str, properties: dict[str, Any] | None = None) -> None:
    """Call `tracker.track` there."""
    page.evaluate("([name, properties]) => tracker.track(name, properties)", [name, properties])
