"""CloudFront's access logs: requests are read as they were invented, whatever the format, and traps one by one."""

import io
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from cloudfront_logs import FIELDS, STYLES, CloudFrontLogs, as_style_says
from log_readers import log_reader

from event_tracker.cli.ingest.compression import decompressed
from event_tracker.cli.ingest.entries import EventLine
from event_tracker.cli.ingest.logs.parsers.cloudfront import CloudFrontParser
from event_tracker.cli.ingest.logs.parsers.fields import LineError
from event_tracker.cli.ingest.logs.request import Request
from event_tracker.cli.ingest.parquet import read_rows
from event_tracker.cli.ingest.readers import read_parquet

SEEDS = [1, 2, 3]


def read(lines: list[bytes]) -> list[Request]:
    parse = CloudFrontParser()
    return [request for line in lines if (request := parse(line.strip())) is not None]


def by_id(requests: list[Request]) -> dict[str | None, Request]:
    return {request.request_id: request for request in requests}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_request_of_legacy_files_is_read(seed, tmp_path):
    logs = CloudFrontLogs(seed)
    found = []
    files = logs.write_legacy(tmp_path)
    for file in files:
        with file.open("rb") as raw:
            found.append(read(list(decompressed(raw))))
    assert [len(requests) for requests in found] == [40] * 7 + [20, 40, 0]
    assert found[8] == found[0]
    expected = by_id(logs.requests)
    for requests, style in zip(found, [*STYLES] * 2, strict=False):
        assert requests == [as_style_says(expected[request.request_id], style) for request in requests]
    assert {request.request_id for requests in found for request in requests} == expected.keys()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_requests_are_read_from_v2(seed):
    logs = CloudFrontLogs(seed)
    assert read(logs.json_lines().splitlines()) == logs.with_countries
    parser = CloudFrontParser()
    rows = read_rows(io.BytesIO(logs.parquet()), lambda _: True)
    assert [
        parser.read_row({name: str(value) for name, value in row.items() if value}) for row in rows
    ] == logs.with_countries


def test_a_parquet_file_of_v2_gives_events():
    logs = CloudFrontLogs(1, 20)
    entries = list(read_parquet(io.BytesIO(logs.parquet()), log_reader()))
    assert [entry.number for entry in entries] == list(range(1, 21))
    assert all(isinstance(entry, EventLine) for entry in entries)
    pages = [
        msgspec.json.decode(entry.event)["properties"]["page"] for entry in entries if isinstance(entry, EventLine)
    ]
    assert pages == [unquote(request.path or "") for request in logs.requests]


def legacy(fields: str, *cells: str) -> Request | None:
    """The request of a file with these fields and one line."""
    parse = CloudFrontParser()
    parse(f"#Fields: {fields}".encode())
    return parse("\t".join(cells).encode())


def v2(trusted_hops: int = 0, **changed: str | None) -> Request:
    """The request of a row of v2. Names are as in Parquet."""
    row = {
        "date": "2026-10-01",
        "time": "12:00:00",
        "cs_method": "GET",
        "cs_uri_stem": "/",
        "sc_status": "200",
        **changed,
    }
    return CloudFrontParser(trusted_hops).read_row({name: value for name, value in row.items() if value is not None})


REQUIRED = ("date time cs-method cs-uri-stem sc-status", "2026-10-01", "12:00:00", "GET", "/", "200")


def test_a_row_may_have_more_or_fewer_cells_than_fields():
    fields, *cells = REQUIRED
    assert legacy(f"{fields} x-host-header cs(Referer)", *cells) == legacy(fields, *cells, "", "surplus")
    with pytest.raises(LineError, match="lacks cs-method, cs-uri-stem or sc-status"):
        legacy(fields, *cells[:-1])
    with pytest.raises(LineError, match="before the line #Fields"):
        CloudFrontParser()(b"2026-10-01\t12:00:00")


def test_fields_may_change_within_a_file():
    fields, *cells = REQUIRED
    parse = CloudFrontParser()
    parse(f"#Fields: {fields}".encode())
    first = parse("\t".join(cells).encode())
    parse(f"#Fields: {' '.join(reversed(fields.split()))}".encode())
    assert parse("\t".join(reversed(cells)).encode()) == first


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"sc_status": "000"}, {"status": 0}),
        ({"cs_uri_query": "-", "cs_referer": "-", "cs_user_agent": "-", "x_edge_request_id": "-"},
         {"query": None, "referrer": None, "user_agent": None, "request_id": None}),
        ({"cs_host": "d1.cloudfront.net", "x_host_header": "WWW.Example.com:443"}, {"host": "www.example.com"}),
        ({"cs_host": "d1.cloudfront.net"}, {"host": None}),
        ({"cs_host": "shop.example"}, {"host": "shop.example"}),
        ({"c_ip": "2001:0DB8:0000:0000:0000:0000:0000:001F"}, {"address": "2001:db8::1f"}),
        ({"c_ip": "192.0.2.9", "x_forwarded_for": "203.0.113.5,%20localhost:8080"}, {"address": "192.0.2.9"}),
        ({"cs_user_agent": "My%2520App/1%20CFNetwork", "cs_uri_stem": "/a%2520b"}, {"user_agent": "My%20App/1 CFNetwork", "path": "/a%2520b"}),
        ({"cs_user_agent": "Mozilla/5.0%2520(X)", "cs_uri_stem": "/a%2520b", "cs_uri_query": "q=100%25", "cs_referer": "https://x/%2520"},
         {"user_agent": "Mozilla/5.0 (X)", "path": "/a%20b", "query": "q=100%25", "referrer": "https://x/%20"}),
        ({"cs_referer": "https%3A%2F%2Fx%2Fa"}, {"referrer": "https://x/a"}),
        ({"c_country": "fr"}, {"country": "FR"}),
        ({"time_taken": "x", "sc_bytes": "-"}, {"seconds": None, "bytes": None}),
    ],
)  # fmt: skip
def test_traps_of_single_fields(changed, expected):
    request = v2(**changed)
    assert {name: getattr(request, name) for name in expected} == expected


def test_a_trusted_proxy_in_front_names_the_client():
    forwarded = {"c_ip": "198.51.100.1", "x_forwarded_for": "10.0.0.1,%20203.0.113.5"}
    assert v2(1, **forwarded).address == "203.0.113.5"
    assert v2(2, **forwarded).address == "10.0.0.1"
    assert v2(9, **forwarded).address == "10.0.0.1"


def test_a_line_whose_user_agent_tells_nothing_is_encoded_as_the_lines_before_it():
    fields, *cells = REQUIRED
    parse = CloudFrontParser()

    def path(agent: str) -> str | None:
        request = parse("\t".join([*cells[:3], "/a%2520b", cells[4], agent]).encode())
        return request.path if request else None

    for _ in range(2):  # a new header begins a new file
        parse(f"#Fields: {fields} cs(User-Agent)".encode())
        assert [path(agent) for agent in ("curl/8", "A%2520B", "curl/8")] == ["/a%2520b", "/a%20b", "/a%20b"]
        assert [path(agent) for agent in ("A%20B", "My%2520App", "curl/8")] == ["/a%2520b"] * 3


def test_milliseconds_are_used_only_where_there_is_no_date():
    milliseconds = {"timestamp(ms)": "1790856001500"}
    assert v2(**milliseconds).time == v2().time
    assert v2(date=None, **milliseconds).time.isoformat() == "2026-10-01T12:00:01.500000+00:00"
    with pytest.raises(LineError, match="lacks date and time"):
        v2(date=None)


def test_a_path_with_a_space_is_not_split_at_it():
    fields, *cells = REQUIRED
    request = legacy(fields, *cells[:3], "/my file.pdf", cells[4])
    assert request is not None
    assert request.path == "/my file.pdf"


def test_the_invented_files_have_the_traps(tmp_path: Path):
    """Otherwise the tests above would show little."""
    logs = CloudFrontLogs(1)
    text = logs.legacy(logs.requests, "twice")
    assert len(FIELDS) == 33
    for trap in ("%2520", "\t000\t", "2001:0DB8:", "caf%25C3%25A9", "\t\n", "d111111abcdef8.cloudfront.net"):
        assert trap in text, trap
