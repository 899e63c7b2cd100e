"""`tracker send` of access logs."""

import gzip
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from sent_files import rejected

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.ingest.logs.parsers.combined import CombinedParser
from event_tracker.cli.ingest.logs.parsers.fields import LineError
from event_tracker.cli.ingest.logs.request import Request
from event_tracker.enrichment.user_agents import load_user_agents

REAL_LOG = Path(__file__).parents[4] / "shared" / "data" / "web-access.log.gz"


def test_a_log_that_is_sent_again_after_retention_is_counted_once(store, tmp_path, monkeypatch):
    log = tmp_path / "access.log"
    long_ago, lately = (datetime.now(UTC) - timedelta(days=days) for days in (100, 1))
    times = [long_ago, long_ago + timedelta(seconds=1), lately]
    log.write_text(
        "".join(f'::1 - - [{time:%d/%b/%Y:%H:%M:%S +0000}] "GET / HTTP/1.1" 200 1\n' for time in times) + "x\n"
    )
    assert store.send(log).output.startswith("4 lines: 3 stored, 0 duplicates, 1 rejected.")
    log.write_text(log.read_text().removesuffix("x\n"))
    monkeypatch.setenv("DATABASE_URL", store.owner.info.dsn)
    for _ in range(2):
        maintained = CliRunner().invoke(maintain, ["--keep", "90days"])
        assert maintained.exit_code == 0, maintained.output
        result = store.send(log)
        assert result.exit_code == 0
        assert result.output.startswith("3 lines: 0 stored, 1 duplicates, 2 expired, 0 rejected.")
        assert "2 times expired, as in line 1:  Not stored: retention has deleted" in result.output
        assert [(line["line"], line["errors"][0]["code"]) for line in rejected(log)] == [(1, "expired"), (2, "expired")]
        counts = "select (select count(*) from events), (select sum(count)::int from event_counts)"
        assert store.owner.execute(counts).fetchone() == (1, 3)


LOG_LINE = '{host} - {user} [17/May/2015:10:05:03 +0200] "{request}" {status} {size} "{referrer}" "{agent}"'


LOG = {
    "host": "1.2.3.4",
    "user": "-",
    "request": "GET /a?b=c HTTP/1.1",
    "status": 200,
    "size": 12,
    "referrer": "-",
    "agent": "-",
}


TIME = datetime(2015, 5, 17, 8, 5, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "request_"),
    [
        ({}, Request(TIME, "1.2.3.4", "GET", "/a", "b=c", status=200, bytes=12)),
        ({"request": "GET /x.PNG HTTP/1.0", "size": "-"}, Request(TIME, "1.2.3.4", "GET", "/x.PNG", status=200)),
        (
            {"request": r"\x16\x03", "status": 400},
            Request(TIME, "1.2.3.4", status=400, bytes=12, malformed=r"\x16\x03"),
        ),
        (
            {"request": "POST / HTTP/1.1", "user": "ann", "referrer": "http://x/", "agent": r"A \"B\""},
            Request(
                TIME,
                "1.2.3.4",
                "POST",
                "/",
                status=200,
                bytes=12,
                referrer="http://x/",
                user_agent='A "B"',
                user="ann",
            ),
        ),
    ],
)
def test_a_log_line_becomes_a_request(changed, request_):
    assert CombinedParser()(LOG_LINE.format(**{**LOG, **changed}).encode()) == request_


def test_a_line_of_the_common_format_is_read():
    request = CombinedParser()(b'host.example - - [01/Aug/1995:00:00:01 -0400] "GET / HTTP/1.0" 304 0')
    assert request is not None
    assert (request.address, request.time.isoformat()) == ("host.example", "1995-08-01T00:00:01-04:00")


def test_a_leap_second_of_a_log_is_the_second_before_it(store, tmp_path):
    file = tmp_path / "access.log"
    line = '198.51.100.7 - - [{}] "GET / HTTP/1.1" 200 1\n'
    times = ["31/Dec/2016:23:59:60 +0000", "01/Jul/2015:01:59:60 +0200", "31/Dec/2016:12:59:60 +0000"]
    file.write_text("".join(map(line.format, times)))
    assert "3 lines: 2 stored, 0 duplicates, 1 rejected" in store.send(file).output
    assert store.rows('"timestamp"') == [
        (datetime(2015, 6, 30, 23, 59, 59, tzinfo=UTC),),
        (datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC),),
    ]
    assert [line["errors"][0]["code"] for line in rejected(file)] == ["invalid_log_line"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        LOG_LINE.format(**LOG).replace("May", "Mai").encode(),
        LOG_LINE.format(**LOG).replace("17/", "32/").encode(),
        LOG_LINE.format(**LOG).replace(":03 ", ":61 ").encode(),
    ],
)
def test_what_is_no_log_line_is_refused(line):
    with pytest.raises(LineError):
        CombinedParser()(line)


def test_an_access_log(store, tmp_path):
    line = LOG_LINE.format(**LOG)
    file = tmp_path / "access.log"
    file.write_bytes(f"{line}\n{line}\ncut off\n".encode() + line.replace("/a", "/\xff").encode("latin-1"))
    assert "4 lines: 3 stored, 0 duplicates, 1 rejected" in store.send(file).output
    assert rejected(file) == [
        {
            "line": 3,
            "errors": [
                {
                    "pointer": "",
                    "code": "invalid_log_line",
                    "detail": "Isn't a line of a combined or common access log.",
                }
            ],
            "event": "cut off",
        }
    ]
    assert Counter(store.rows("properties ->> 'page'")) == {("/a",): 2, (r"/\xff",): 1}
    assert "0 stored, 3 duplicates, 1 rejected" in store.send(file).output


def test_requests_that_are_left_out_are_counted_in_the_summary(store, tmp_path):
    file, secret = tmp_path / "access.log", tmp_path / "secret"
    secret.write_text("another secret of tests\n")
    paths = ["/", "/a.css", "/b.css", "/old", "/api/x", "/"]
    file.write_text(
        "".join(
            f'198.51.100.7 - - [01/Oct/2026:12:00:0{number} +0000] "GET {path} HTTP/1.1" {301 if path == "/old" else 200} 1\n'
            for number, path in enumerate(paths)
        )
    )
    arguments = ["--visitor-secret-file", secret, "--api-path", "/api/"]
    for outcome in ("2 stored, 0 duplicates", "0 stored, 2 duplicates"):
        lines = store.send(file, *arguments).output.splitlines()
        assert lines[0].startswith(f"6 lines: {outcome}, 4 left out, 0 rejected.")
        assert lines[1] == "Requests left out (--also stores them): 3 asset, 1 redirect"
    more = store.send(file, *arguments, "--also", "redirect").output.splitlines()
    assert more[0].startswith("6 lines: 1 stored, 2 duplicates, 3 left out, 0 rejected.")
    assert more[1] == "Requests left out (--also stores them): 3 asset"
    other = store.send(file, "--api-path", "/api/").output  # with the usual secret
    assert other.startswith("6 lines: 2 stored, 0 duplicates, 4 left out, 0 rejected.")
    assert len({user for user, _ in store.rows()}) == 2


ASSETS = tuple(".css .gif .ico .jpeg .jpg .js .json .mov .mp3 .mp4 .png .svg .swf .ttf .txt .woff .xml .xsl".split())  # noqa: SIM905
DOWNLOADS = tuple(".bz2 .deb .doc .exe .gz .jar .pdf .rpm .tar .tgz .xz .zip".split())  # noqa: SIM905


def independently(lines: list[str]) -> list[tuple[str, datetime, str, str]]:
    """Host, time, type and path of each line that a quite different reading of it finds. Bots are told by the same list."""
    read_user_agent = load_user_agents()
    found = []
    for line in lines:
        quoted = line.split('"')
        if len(quoted) < 7:
            continue
        host, clock = re.match(r"(\S+).*\[(.*)\]", quoted[0]).groups()  # type: ignore[union-attr]
        method, path, _ = quoted[1].split(" ")
        status = quoted[2].split()[0]
        path = path.split("?")[0]
        ending = "".join(path.rsplit("/")[-1].rpartition(".")[1:]).lower()
        if quoted[5] != "-" and read_user_agent(quoted[5]).is_bot:
            kind = "crawl"
        elif status[0] in "45":
            kind = "http_error"
        elif method != "GET":
            kind = "http_" + method.lower()
        elif status[0] == "3" and status != "304":
            kind = "redirect"
        elif status == "206" or ending in ASSETS:
            kind = "asset"
        else:
            kind = "download" if ending in DOWNLOADS else "page_view"
        found.append((host, datetime.strptime(clock, "%d/%b/%Y:%H:%M:%S %z"), kind, path))
    return found


def test_a_real_access_log_gives_the_counts_and_timelines_that_another_reading_gives(store, tmp_path):
    if not REAL_LOG.exists():
        pytest.skip("the real access log isn't beside this repository (../shared/data/web-access.log.gz)")
    report = tmp_path / "rejected.ndjson"
    arguments = [REAL_LOG, "--rejected", report, "--users", "addresses", "--also", "all"]
    result = store.send(*arguments)
    assert "10,000 lines: 9,999 stored, 0 duplicates, 1 rejected" in result.output
    assert [json.loads(line)["line"] for line in report.read_text().splitlines()] == [8899]

    expected = independently(gzip.decompress(REAL_LOG.read_bytes()).decode().splitlines())
    by_hour = Counter((when.replace(minute=0, second=0), kind) for _, when, kind, _ in expected)
    stored = store.owner.execute("select hour, event_type, sum(count) from event_counts group by 1, 2").fetchall()
    assert {(hour, kind): int(count) for hour, kind, count in stored} == by_hour

    for visitor, _ in Counter(host for host, *_ in expected).most_common(3):
        timeline = sorted((when, kind, unquote(path)) for host, when, kind, path in expected if host == visitor)
        rows = store.owner.execute(
            """select "timestamp", event_type, properties ->> 'page' from events where user_id = %s""", [visitor]
        ).fetchall()
        assert sorted(rows) == timeline

    assert "0 stored, 9,999 duplicates, 1 rejected" in store.send(*arguments).output
    assert store.stored == 9999
    kinds = Counter(kind for *_, kind, _ in expected)
    shown = store.send(REAL_LOG, "--rejected", report, "--users", "addresses").output
    kept = sum(kinds[kind] for kind in ("page_view", "download", "http_error", "crawl"))
    assert f"10,000 lines: 0 stored, {kept:,} duplicates, {9999 - kept:,} left out, 1 rejected" in shown
    assert f"Requests left out (--also stores them): {kinds['asset']:,} asset, " in shown
