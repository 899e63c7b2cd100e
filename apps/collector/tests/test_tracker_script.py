"""How the tracker script is served, and that the minified script is made from its source."""

import gzip
import hashlib
import shutil
from pathlib import Path

import pytest
import requests
from tools import not_checked, run, tool

from event_tracker.collector.browser.tracker_script import read_script, read_scripts

ROOT = Path(__file__).parents[3]
BROWSER = Path("apps/collector/src/event_tracker/collector/browser")
SCRIPT = (ROOT / BROWSER / "tracker.min.js").read_bytes()
VERSION = hashlib.sha256(SCRIPT).hexdigest()[:8]
CACHED = {
    "/tracker.js": "public, max-age=3600",
    f"/tracker-{VERSION}.js": "public, max-age=31536000, immutable",
}


def get(collector, path, **headers):
    return requests.get(collector.url + path, headers={"Accept-Encoding": "identity", **headers}, timeout=30)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("path", CACHED)
def test_it_is_served_and_cached(shared_collector, path, encoding):
    answer = get(shared_collector, path, **{"Accept-Encoding": encoding})
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == CACHED[path]
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers.get("Content-Encoding", "identity") == encoding
    headers = {"Accept-Encoding": encoding, "If-None-Match": answer.headers["ETag"]}
    again = get(shared_collector, path, **headers)
    assert (again.status_code, again.content) == (304, b"")
    assert (again.headers["Cache-Control"], again.headers["ETag"]) == (CACHED[path], answer.headers["ETag"])
    assert get(shared_collector, path, **{"If-None-Match": '"other"'}).status_code == 200


def test_each_encoding_has_a_tag_of_its_own(shared_collector):
    tags = {
        get(shared_collector, "/tracker.js", **{"Accept-Encoding": name}).headers["ETag"]
        for name in ("identity", "gzip")
    }
    assert len(tags) == 2


@pytest.mark.parametrize("origins", ["", "https://shop.example"])
def test_pages_of_every_origin_may_read_it(start_service, postgres, database, origins):
    """It is cached for a year: a browser must not keep an answer that it may not read."""
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), CORS_ORIGINS=origins)
    answer = get(collector, "/tracker.js", Origin="https://elsewhere.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize("version", ["00000000", VERSION[:7], VERSION + "0", ""])
def test_an_unknown_version_is_not_found(shared_collector, version):
    answer = get(shared_collector, f"/tracker-{version}.js")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "Cache-Control" not in answer.headers


def test_it_is_small():
    """docs/browser.md says what its bytes buy."""
    assert len(gzip.compress(SCRIPT)) < 3.5 * 1024


def minify(folder, *arguments):
    tool("npx")
    done = run("sh", folder / "scripts/tracker-js", *arguments, ok=False)
    if "npm error" in done.stderr:
        not_checked("npx can't fetch esbuild here")
    assert done.returncode == 0, done.stderr


def test_it_is_what_its_source_says(tmp_path):
    made = tmp_path / "tracker.min.js"
    minify(ROOT, made)
    assert made.read_bytes() == SCRIPT, "run `make tracker-js`"


def test_what_the_last_release_served_is_kept(tmp_path):
    browser = tmp_path / BROWSER
    browser.mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/tracker-js", BROWSER / "tracker.js", BROWSER / "tracker.min.js"):
        shutil.copy(ROOT / name, tmp_path / name)
    git = ("git", "-C", tmp_path, "-c", "user.name=t", "-c", "user.email=t@example.com")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "One"], ["tag", "v1.0.0"]):
        run(*git, *command)
    minify(tmp_path)
    assert set(read_scripts(browser)) == {VERSION}
    with (browser / "tracker.js").open("a") as source:
        source.write("window.more = 1;\n")
    minify(tmp_path)
    newest = read_script(browser / "tracker.min.js").version
    assert {version: script.plain for version, script in read_scripts(browser).items()} == {
        VERSION: SCRIPT,
        newest: (browser / "tracker.min.js").read_bytes(),
    }
    assert newest != VERSION


def test_it_evaluates_no_text():
    assert not [word for word in (b"eval(", b"Function(", b"innerHTML", b"document.cookie") if word in SCRIPT]
