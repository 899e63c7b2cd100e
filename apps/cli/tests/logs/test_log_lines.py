"""Lines of each format but CloudFront's, with the request that they tell."""

import io
import traceback
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from log_lines import CADDY, COMBINED, IIS, IIS_FIELDS, NGINX, NOON, PLAIN, S3, TRAEFIK
from log_readers import log_reader

from event_tracker.cli.ingest.logs.formats import LOG_FORMATS
from event_tracker.cli.ingest.logs.parsers.addresses import client_address, without_port
from event_tracker.cli.ingest.logs.parsers.fields import LineError
from event_tracker.cli.ingest.logs.parsers.times import parse_clf_time, parse_time
from event_tracker.cli.ingest.logs.request import Request


def read(name: str, line: str, trusted_hops: int = 0) -> Request | None:
    parse = LOG_FORMATS[name].make_parser(trusted_hops)
    if name == "iis":
        parse(IIS_FIELDS.encode())
    return parse(line.encode(errors="surrogateescape"))


@pytest.mark.parametrize("name", PLAIN)
def test_a_line_is_read_whole(name):
    line, told = PLAIN[name]
    assert read(name, line) == Request(**told)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        # Spaces, quotes and escapes
        ("combined", "/a?b=c", "/my file.pdf", {"path": "/my file.pdf", "query": None, "method": "GET"}),
        ("combined", "/a?b=c", "/my file.pdf?q=a b", {"path": "/my file.pdf", "query": "q=a b"}),
        ("combined", "- - [", "- Jane Roe [", {"user": "Jane Roe", "address": "198.51.100.7"}),
        ("combined", "- - [", r"- J\"R\" [x] [", {"user": 'J"R" [x]'}),
        ("combined", "- - [", "ident ann [", {"user": "ann", "address": "198.51.100.7", "host": None}),
        ("combined", "Mozilla/5.0 (X)", r"A \"B\" \\ \x22\xc3\xa9\x22 \t", {"user_agent": 'A "B" \\ "é" \t'}),
        ("combined", "Mozilla/5.0 (X)", r"\x00\x1b[31m\xff\x7f", {"user_agent": r"\x00\x1b[31m\xff\x7f"}),
        ("combined", "Mozilla/5.0 (X)", 'A "B" C', {"user_agent": 'A "B" C', "referrer": "https://x/"}),
        ("combined", "/a?b=c", '/a"b" 200 5 x', {"path": '/a"b" 200 5 x', "status": 200, "bytes": 12}),
        ("combined", "/a?b=c", r"/\x22\xd1\x8f", {"path": '/"я'}),
        ("combined", "/a?b=c", "/\udcff", {"path": r"/\xff"}),
        ("s3", "Mozilla/5.0 (X)", 'A "B" C', {"user_agent": 'A "B" C', "host": "www.example.com"}),
        ("s3", '"https://x/" "Mozilla/5.0 (X)"', "- -", {"user_agent": None, "referrer": None, "host": "www.example.com"}),
        ("s3", '"https://x/" "Mozilla/5.0 (X)"', '"-" "-"', {"user_agent": None, "referrer": None}),
        ("s3", S3[S3.index(" - s9lz") :], "", {"user_agent": "Mozilla/5.0 (X)", "host": None}),
        ("s3", S3[S3.index(" s9lz") :], "", {"user_agent": "Mozilla/5.0 (X)", "host": None}),
        ("s3", "GET /a?b=c", 'GET /"a" b', {"path": '/"a" b'}),
        ("alb", "Mozilla/5.0 (X)", r"A \x22B\x22", {"user_agent": 'A "B"'}),
        ("nginx-json", "Mozilla/5.0 (X)", r"A \x22\xC3\xA9\x22 \"", {"user_agent": 'A "é" "'}),
        ("iis", "Mozilla/5.0+(X)", "A+(compatible;+Bot/2;++http://b/)", {"user_agent": "A (compatible; Bot/2; +http://b/)"}),
        ("iis", " /a ", " /my+file+c++/x ", {"path": "/my%20file%20c++/x"}),
        # Absent values
        ("combined", ' "https://x/" "Mozilla/5.0 (X)"', "", {"referrer": None, "user_agent": None, "bytes": 12}),
        ("combined", "200 12", "200 -", {"bytes": None, "status": 200}),
        ("combined", "200 12", "- 12", {"status": None}),
        ("combined", "200 12", "000 0", {"status": 0, "bytes": 0}),
        ("combined", '"https://x/" "Mozilla', '"-" "Mozilla', {"referrer": None}),
        ("combined", "198.51.100.7", "-", {"address": "-"}),
        ("alb", "0.086 0.048 0.037 200 200", "-1 -1 -1 460 -", {"status": 460, "seconds": None}),
        ("alb", "0.086 0.048 0.037 200 200", "-1 -1 -1 - -", {"status": None}),
        ("iis", "b=c", "-", {"query": None}),
        ("nginx-json", '"host":"www.example.com",', "", {"host": None}),
        ("caddy", '"headers"', '"other"', {"user_agent": None, "referrer": None}),
        ("caddy", "1790856000.5", '"2026-10-01T14:00:00+02:00"', {"time": NOON}),
        ("caddy", '"duration":0.171', '"duration":"171ms"', {"seconds": 0.171}),
        ("caddy", '"duration":0.171', '"duration":"1m0.5s"', {"seconds": None}),
        # What isn't a request of HTTP, and odd targets
        ("combined", "GET /a?b=c HTTP/1.1", r"\x16\x03\x01", {"malformed": r"\x16\x03\x01", "method": None, "path": None}),
        ("combined", "GET /a?b=c HTTP/1.1", "", {"malformed": "", "method": None}),
        ("combined", "GET /a?b=c HTTP/1.1", "-", {"malformed": "-"}),
        ("combined", "GET /a?b=c HTTP/1.1", "GET /a", {"path": "/a", "malformed": None}),
        ("combined", "GET /a?b=c HTTP/1.1", "OPTIONS * HTTP/1.0", {"method": "OPTIONS", "path": None, "malformed": None}),
        ("combined", "GET /a?b=c HTTP/1.1", "CONNECT x:443 HTTP/1.1", {"method": "CONNECT", "path": None, "malformed": None}),
        ("combined", "GET /a?b=c HTTP/1.1", "GET http://Other.example?b HTTP/1.1", {"path": "/", "query": "b", "host": "other.example"}),
        ("combined", "GET /a?b=c HTTP/1.1", "GET http://ann:x@Other.example.:80/c HTTP/1.1", {"path": "/c", "host": "other.example"}),
        ("combined", "GET /a?b=c HTTP/1.1", "GET a HTTP/1.1", {"malformed": "GET a HTTP/1.1", "path": None}),
        ("combined", "/a?b=c", "/a?", {"query": None}),
        ("combined", "/a?b=c", "/a?b?c", {"query": "b?c"}),
        ("alb", "GET https://www.example.com:443/a?b=c HTTP/1.1", "- http://x:80- -",
         {"malformed": "- http://x:80- -", "host": "www.example.com", "path": None}),
        # Hosts in front
        ("combined", "198.51.100.7 -", "WWW.example.com:443 198.51.100.7 -", {"host": "www.example.com", "address": "198.51.100.7"}),
        ("combined", "198.51.100.7 -", "www.example.com 198.51.100.7 -", {"host": "www.example.com", "address": "198.51.100.7"}),
        ("combined", "198.51.100.7 -", "www.example.com client.example -", {"host": "www.example.com", "address": "client.example"}),
        ("combined", "198.51.100.7 - -", "www.example.com:443 2001:db8::1 - Jane Roe",
         {"host": "www.example.com", "address": "2001:db8::1", "user": "Jane Roe"}),
        # Addresses
        ("combined", "198.51.100.7", "2001:0DB8::0001", {"address": "2001:db8::1"}),
        ("combined", "198.51.100.7", "[2001:db8::1]:443", {"address": "2001:db8::1"}),
        ("combined", "198.51.100.7", "198.51.100.7:4711", {"address": "198.51.100.7", "host": None}),
        ("combined", "198.51.100.7", "client.example", {"address": "client.example"}),
        ("combined", "198.51.100.7", "198.51.100.13, 10.0.0.1", {"address": "10.0.0.1"}),
        ("alb", "198.51.100.7:2817", "2001:db8::1:2817", {"address": "2001:db8::1"}),
        ("alb", "198.51.100.7:2817", "[2001:db8::1]:2817", {"address": "2001:db8::1"}),
        ("iis", "198.51.100.7", "fe80::1%4", {"address": "fe80::1"}),
        # Other names in nginx
        ("nginx-json", '"time_iso8601":"2026-10-01T12:00:00+00:00"', '"time":"01/Oct/2026:14:00:00 +0200"', {"time": NOON}),
        ("nginx-json", '"time_iso8601":"2026-10-01T12:00:00+00:00"', '"msec":1790856000.25', {"time": NOON + timedelta(milliseconds=250)}),
        ("nginx-json", '"request":"GET /a?b=c HTTP/1.1"', '"request_method":"GET","uri":"/a","args":"b=c"', {"path": "/a", "query": "b=c"}),
        ("nginx-json", '"request":"GET', '"request":"\\u0016\\u0003', {"method": None}),
    ],
)  # fmt: skip
def test_traps(name: str, old: str, new: str, expected: dict[str, Any]):
    line = PLAIN[name][0]
    assert old in line
    request = read(name, line.replace(old, new, 1))
    assert request is not None
    assert {field: getattr(request, field) for field in expected} == expected


@pytest.mark.parametrize(
    ("name", "old", "new", "addresses"),
    [
        ("combined", "(X)\"", '(X)" "203.0.113.9, 10.0.0.2"', ["198.51.100.7", "10.0.0.2", "203.0.113.9"]),
        ("combined", "(X)\"", '(X)" "unknown, 10.0.0.2"', ["198.51.100.7", "10.0.0.2", "10.0.0.2"]),
        ("combined", "(X)\"", '(X)" "-"', ["198.51.100.7"] * 3),
        ("combined", "(X)\"", '(X)" "0.005" "x"', ["198.51.100.7"] * 3),
        ("combined", "198.51.100.7", "203.0.113.9, 10.0.0.2", ["10.0.0.2", "203.0.113.9", "203.0.113.9"]),
        ("combined", "198.51.100.7", "www.example.com:80 203.0.113.9,10.0.0.2", ["10.0.0.2", "203.0.113.9", "203.0.113.9"]),
        ("nginx-json", '"host"', '"http_x_forwarded_for":"203.0.113.9","host"', ["198.51.100.7", "203.0.113.9", "203.0.113.9"]),
        ("caddy", '"client_ip":"198.51.100.7"', '"client_ip":"203.0.113.77"', ["203.0.113.77", "10.0.0.2", "203.0.113.9"]),
        ("traefik", "x", "x", ["198.51.100.7", "203.0.113.9", "203.0.113.9"]),
    ],
)  # fmt: skip
def test_the_client_behind_trusted_proxies(name, old, new, addresses):
    line = PLAIN[name][0].replace(old, new, 1)
    requests = [read(name, line, hops) for hops in range(3)]
    assert [request.address for request in requests if request] == addresses


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("caddy", '{"level":"info","ts":1790856000.1,"logger":"tls","msg":"cleaning storage unit"}'),
        ("caddy", CADDY.replace("http.log.access.log0", "http.log.error.log0")),
        ("s3", S3.replace('"GET /a?b=c HTTP/1.1" 200', "- -").replace("WEBSITE.GET", "S3.EXPIRE")),
        ("iis", "#Software: Microsoft Internet Information Services 10.0"),
    ],
)
def test_lines_that_are_of_no_request(name, line):
    assert read(name, line) is None


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        *[(name, "hello", "Isn't|Has 1 words") for name in PLAIN],
        *[(name, line[: len(line) // 4], "Isn't|words") for name, (line, _) in PLAIN.items()],
        ("combined", COMBINED[:-4], "Isn't a line of a combined"),
        ("combined", COMBINED.replace("Oct", "Okt"), "no valid time: '01/Okt/2026"),
        ("combined", COMBINED.replace("12:00:00", "12:00:61"), "no valid time"),
        ("combined", COMBINED.replace("01/Oct", "32/Oct"), "no valid time"),
        ("combined", COMBINED.replace(" - - ", " "), "Isn't"),
        ("combined", COMBINED.replace("01/Oct/2026:12:00:00 +0000", "01/Jan/0001:00:00:00 +0200"), "no valid time"),
        ("combined", COMBINED.replace("01/Oct/2026:12:00:00 +0000", "31/Dec/9999:23:00:00 -0200"), "no valid time"),
        ("iis", IIS + " more", "Has 18 words where #Fields names 17"),
        ("iis", IIS.replace("2026-10-01 ", "- "), "lacks date"),
        ("iis", IIS.replace(" /a ", " b=c "), "cs-uri-stem is no path"),
        ("caddy", "[1]", "Isn't a JSON object"),
        ("caddy", '{"request":1}', "lacks request, status or ts"),
        ("caddy", CADDY.replace("1790856000.5", "1e300"), "no valid time"),
        ("nginx-json", NGINX.replace("200", "-"), "lacks a time, a request or a status"),
        ("traefik", TRAEFIK.replace("RequestPath", "Path"), "lacks RequestMethod"),
        ("traefik", TRAEFIK.replace("123456789Z", "1"), "no valid time"),
    ],
)  # fmt: skip
def test_what_is_no_line_of_the_format_is_refused_with_the_reason(name, line, why):
    with pytest.raises(LineError, match=why):
        read(name, line)


@pytest.mark.parametrize("name", PLAIN)
def test_lines_that_cannot_be_read_leave_nothing_in_memory(name):
    """An exception that is raised again and again keeps what each raise adds to its traceback."""

    def refuse(line: str) -> LineError:
        with pytest.raises(LineError) as caught:
            read(name, line)
        return caught.value

    for line in ["hello", "{}", PLAIN[name][0][: len(PLAIN[name][0]) // 4]]:
        first, second = refuse(line), refuse(line)
        assert first is not second
        assert len(list(traceback.walk_tb(first.__traceback__))) == len(list(traceback.walk_tb(second.__traceback__)))


def test_fields_of_iis_may_change_within_the_file():
    parse = LOG_FORMATS["iis"].make_parser(0)
    with pytest.raises(LineError, match="before the line #Fields"):
        parse(IIS.encode())
    parse(IIS_FIELDS.encode())
    first = parse(IIS.encode())
    parse(b"#Fields: time cs-method cs-uri-stem sc-status date")
    second = parse(b"12:00:00 GET /a 200 2026-10-01")
    assert first is not None
    assert second == Request(time=first.time, address=None, method="GET", path="/a", status=200)


def test_a_leap_second_is_the_second_before_it():
    assert parse_time("2016-12-31T23:59:60Z") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
    local = parse_clf_time("01/Jul/2015:01:59:60 +0200")
    assert local == datetime(2015, 7, 1, 1, 59, 59, tzinfo=timezone(timedelta(hours=2)))
    assert local.isoformat() == "2015-07-01T01:59:59+02:00"
    for impossible in ("2016-12-30T23:59:60Z", "2016-12-31T12:59:60Z", "2016-12-31T23:58:60Z", "2016-12-31T23:59:61Z"):
        with pytest.raises(LineError):
            parse_time(impossible)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("::1", "::1"), ("[::1]", "::1"), ("[::1]:80", "::1"), ("1.2.3.4:80", "1.2.3.4"), ("a:b:c", "a:b:c"), ("", ""),
     ("::ffff:192.0.2.1", "::ffff:192.0.2.1")],
)  # fmt: skip
def test_ports_and_brackets_of_addresses(text, expected):
    assert without_port(text) == expected


def test_nothing_tells_an_address():
    assert client_address(None, None, 0) is None
    assert client_address(None, " , ", 1) is None
    assert client_address("10.0.0.1:80", "", 3) == "10.0.0.1"


def test_a_request_of_the_future_is_not_the_newest():
    """Its time is wrong, so it says nothing about how late logs are. A server's clock may be a little ahead."""
    past, soon, future = (datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=by) for by in (-5, 2, 60 * 24))
    for times, newest in [((past, future), past), ((future, past, future), past), ((past, soon, future), soon)]:
        lines = [COMBINED.replace("01/Oct/2026:12:00:00", f"{time:%d/%b/%Y:%H:%M:%S}") + "\n" for time in times]
        reader = log_reader()
        entries = list(reader.read(io.BytesIO("".join(lines).encode()), "combined"))
        assert len(entries) == len(times)
        assert reader.newest == newest
