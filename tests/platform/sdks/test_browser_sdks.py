"""The SDKs for browsers, in Chromium, on a page of another origin than the collector's: all that they send is stored."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser
from sdks import Installed
from servers import Postgres, Service
from tools import run, tool
from waiting import wait_until

from event_tracker.core.secrets.keys import make_key


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and a page for any path that ends in a slash."""

    def do_GET(self) -> None:
        """The page, or a file."""
        name, _, _ = self.path.partition("?")
        if not name.endswith("/"):
            super().do_GET()
            return
        page = f'<!doctype html><title>Shop</title><script type="module" src="{name.rstrip("/")}.js"></script>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def pages(installed: Installed) -> Iterator[str]:
    """The address of the pages."""
    run(tool("node"), "pages/bundle.mjs", cwd=installed.folder)
    handler = partial(QuietHandler, directory=str(installed.folder / "bundled"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("sdk", ["segment", "rudder"])
def test_what_a_page_sends_is_stored(
    pages: str,
    sdk: str,
    browser: Browser,
    owner: psycopg.Connection,
    postgres: Postgres,
    database: str,
    start_service: Callable[..., Service],
) -> None:
    key = make_key("wk")
    owner.execute("insert into sources (name, allowed_origins) values ('shop', %s)", [[pages]])
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, 'shop', %s)", [key.prefix, key.hash])
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), AUTH="required")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{pages}/{sdk}/?base={collector.url}&key={key.key}")
        wait_until(lambda: page.title() == "done", "the SDK has begun")
        stored = "select event_type, count(*) from events where source = 'shop' group by 1 order by 1"
        expected = [("Order Completed", 1), ("identify", 1), ("page_view", 1)]
        wait_until(lambda: owner.execute(stored).fetchall() == expected, "all are stored")
        (path,) = owner.execute("select properties ->> 'page' from events where event_type = 'page_view'").fetchone()
        assert path == f"/{sdk}/"
        assert owner.execute("select person from links").fetchall() == [("ann",)]
