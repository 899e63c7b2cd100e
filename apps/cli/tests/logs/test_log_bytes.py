"""No bytes crash a reader of logs. That its cost is linear, tests/cost shows."""

import io
from datetime import datetime

import msgspec
import pytest
from cloudfront_logs import CloudFrontLogs
from hypothesis import given, settings
from hypothesis import strategies as st
from log_lines import IIS_FIELDS, PLAIN
from log_readers import log_reader

from event_tracker.cli.ingest.detection import FORMATS, find_format
from event_tracker.cli.ingest.entries import EventLine, LeftOutLine, RefusedLine, numbered_lines
from event_tracker.cli.ingest.logs.formats import LOG_FORMATS, recognise
from event_tracker.cli.ingest.logs.parsers.fields import LineError
from event_tracker.cli.ingest.logs.request import Request

LOGS = CloudFrontLogs(1, 3)
FILES = {
    **{name: f"{line}\n{line}\n".encode() for name, (line, _) in PLAIN.items()},
    "iis": f"{IIS_FIELDS}\n{PLAIN['iis'][0]}\n".encode(),
    "cloudfront": LOGS.legacy(LOGS.requests, "twice").encode() + LOGS.json_lines(),
}
PIECES = [b'"', b"\\", b" ", b"\t", b",", b"-", b"%", b"%25", b"[", b"]", b"{", b"}", b":", b"\xff", b"\0", b"\n", b"\\x", b"\\ud83d", b"1e999",
          b"99999999999999999999", b"null", b'"x":', b"HTTP/1.1", b"#Fields: ", b"0001", b"9999", b"::1%", b"[::1", b"+23:59"]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A format, and a file of it in which some bytes were replaced by others."""
    name = draw(st.sampled_from(sorted(FILES)))
    content = FILES[name]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 12))
        content = content[:at] + draw(st.sampled_from(PIECES) | st.binary(max_size=5)) + content[at + length :]
    return name, content


@settings(max_examples=300, deadline=None)
@given(damaged() | st.tuples(st.sampled_from(sorted(FILES)), st.binary(max_size=200)))
def test_every_line_of_damaged_files_is_an_event_or_has_a_reason(given):
    name, content = given
    lines = dict(numbered_lines(io.BytesIO(content)))
    entries = list(log_reader(trusted_hops=1).read(io.BytesIO(content), name))
    assert {entry.number for entry in entries} <= lines.keys()
    # Only lines of a header are no entries.
    assert all(lines[number].startswith(b"#") for number in lines.keys() - {entry.number for entry in entries})
    for entry in entries:
        assert isinstance(entry, EventLine | RefusedLine | LeftOutLine)
        if isinstance(entry, EventLine):
            assert entry.original == lines[entry.number]
            event = msgspec.json.decode(entry.event)
            assert datetime.fromisoformat(event["timestamp"]).tzinfo is not None


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_every_field_of_what_is_read_has_its_type(given):
    name, content = given
    parse = LOG_FORMATS[name].make_parser(1)
    for line in content.splitlines():
        try:
            request = parse(line)
        except LineError:
            continue
        if request is not None:
            msgspec.convert(request, Request, strict=True)
            assert request.path is None or request.path.startswith("/")
            assert request.status is None or request.status >= 0
            assert (request.malformed is None) == (request.method is not None)


@pytest.mark.parametrize("name", FILES)
def test_undamaged_files_are_read(name):
    """Otherwise the tests above would show nothing."""
    assert all(isinstance(entry, EventLine) for entry in log_reader().read(io.BytesIO(FILES[name]), name))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | damaged().map(lambda given: given[1]))
def test_any_content_has_a_format_or_none_and_is_replayed_whole(content):
    found = find_format("access.log", io.BufferedReader(io.BytesIO(content)))
    assert found.format in FORMATS
    if found.format != "parquet":
        read = b"".join(iter(lambda: found.stream.readline(7), b""))
        assert read == content
    recognise(content)
