"""Streamlit's scripts and styles with gzip, over HTTP and in a real browser: complete, whatever happened before."""

import gzip
import re
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests
from visitors import Visitor

from event_tracker.dashboard.web.compression import FILES, takes_gzip

PAGES = ["", "users", "funnels", "retention", "journeys", "sessions", "explore"]


@pytest.fixture
def fresh(another):
    """A dashboard that hasn't compressed any file yet."""
    with another("http://127.0.0.1:9") as dashboard:
        yield dashboard
        dashboard.process.stop()


def ask(dashboard, path, method="GET", **headers):
    """The answer and its body as it was sent."""
    given = {
        "Accept-Encoding": "gzip, deflate, br",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    with requests.request(method, dashboard.url + path, headers=given, timeout=60, stream=True) as answer:
        return answer, answer.raw.read(decode_content=False)


def script_of(dashboard):
    page = requests.get(dashboard.url, timeout=30).text
    (path,) = re.findall(r'<script type="module"[^>]* src="\.(/static/[^"]+)"', page)
    return path


def check(dashboard, path):
    """Compare the answers for a file, with and without gzip, with the file."""
    content = FILES[path].read_bytes()
    packed, body = ask(dashboard, path)
    plain, own = ask(dashboard, path, Accept_Encoding="identity")
    assert (packed.status_code, plain.status_code) == (200, 200), path
    assert gzip.decompress(body) == own == content, path
    assert (packed.headers["Content-Encoding"], plain.headers.get("Content-Encoding")) == ("gzip", None), path
    assert [int(one.headers["Content-Length"]) for one in (packed, plain)] == [len(body), len(content)], path
    for name in ("Content-Type", "Last-Modified", "Cache-Control", "X-Content-Type-Options", "Vary"):
        assert packed.headers[name] == plain.headers[name], (path, name)
    assert "immutable" in packed.headers["Cache-Control"], path
    assert packed.headers["Vary"] == "Accept-Encoding", path
    assert packed.headers["ETag"] != plain.headers["ETag"], path


def check_all(dashboard):
    assert len(FILES) > 100
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: check(dashboard, path), FILES))


def test_every_file_is_sent_whole(fresh):
    check_all(fresh)
    check_all(fresh)  # now from what is kept


def test_a_browser_that_goes_away_leaves_no_part_of_a_file_behind(fresh):
    where = urlsplit(fresh.url)
    for path in FILES:
        with socket.create_connection((where.hostname, where.port), timeout=30) as gone:
            gone.sendall(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # resets the connection
    check_all(fresh)


def test_a_head_is_the_answer_without_its_body(lonely_dashboard):
    path = script_of(lonely_dashboard)
    whole, body = ask(lonely_dashboard, path)
    head, nothing = ask(lonely_dashboard, path, "HEAD")
    assert nothing == b""
    assert {name: value for name, value in head.headers.items() if name != "date"} == {
        name: value for name, value in whole.headers.items() if name != "date"
    }
    assert int(head.headers["Content-Length"]) == len(body)


def test_what_a_browser_has_isnt_sent_again(lonely_dashboard):
    path = script_of(lonely_dashboard)
    packed, _ = ask(lonely_dashboard, path)
    plain, _ = ask(lonely_dashboard, path, Accept_Encoding="identity")
    for tag in (packed.headers["ETag"], f'"other", W/{packed.headers["ETag"]}', "*"):
        again, nothing = ask(lonely_dashboard, path, If_None_Match=tag)
        assert (again.status_code, nothing) == (304, b""), tag
        for name in ("ETag", "Vary", "Cache-Control"):
            assert again.headers[name] == packed.headers[name], (tag, name)
    again, nothing = ask(lonely_dashboard, path, If_Modified_Since=packed.headers["Last-Modified"])
    assert (again.status_code, nothing) == (304, b"")
    # The same file without gzip is other bytes.
    again, body = ask(lonely_dashboard, path, If_None_Match=plain.headers["ETag"])
    assert again.status_code == 200
    assert gzip.decompress(body) == FILES[path].read_bytes()


def test_a_part_is_one_of_the_file_as_it_is(lonely_dashboard):
    path = script_of(lonely_dashboard)
    content = FILES[path].read_bytes()
    packed, _ = ask(lonely_dashboard, path)
    part, body = ask(lonely_dashboard, path, Range="bytes=100-199")
    assert (part.status_code, body, part.headers.get("Content-Encoding")) == (206, content[100:200], None)
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(content)}"
    # A client that has a part of the compressed file can't continue with bytes of the plain one.
    whole, body = ask(lonely_dashboard, path, Range="bytes=100-199", If_Range=packed.headers["ETag"])
    assert (whole.status_code, body) == (200, content)


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True), ("br, GZIP;q=0.5", True), ("deflate,gzip ;q=1.0", True), ("gzip;q=0", False),
        ("gzip; q=0.000", False), ("identity", False), ("", False), ("x-gzipped", False),
    ],
)  # fmt: skip
def test_gzip_is_sent_to_whom_takes_it(accepted, taken):
    assert takes_gzip(accepted) == taken


def test_what_has_another_path_than_a_file_is_not_compressed_and_kept(lonely_dashboard):
    script = script_of(lonely_dashboard).removeprefix("/static/")
    # The page itself, and the script.
    for path, content_type in (("/static/js/none.js", "text/html"), (f"/static//{script}", "application/javascript")):
        sent, _ = ask(lonely_dashboard, path)
        assert sent.status_code == 200
        assert sent.headers["Content-Type"].startswith(content_type)
        assert "Content-Encoding" not in sent.headers


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_drawn_by_browsers_that_have_nothing_yet(dashboard, fresh_context, path):
    for _ in range(2):
        page = fresh_context().new_page()
        page.emulate_media(reduced_motion="no-preference")
        visitor = Visitor(page, dashboard.url).open(path, range="90 days")
        assert visitor.complaints == []
        visitor.page.close()
