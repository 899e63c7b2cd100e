"""How the format of a file is found, and what is said of lines of another one."""

import gzip
import io
import os

import click
import msgspec
import pytest
from cloudfront_logs import CloudFrontLogs
from log_lines import CADDY, COMBINED, IIS, IIS_FIELDS, PLAIN, S3
from log_readers import log_reader

from event_tracker.cli.ingest.detection import FORMATS, expected_format, find_format
from event_tracker.cli.ingest.entries import EventLine, LeftOutLine, Reason, RefusedLine
from event_tracker.cli.ingest.event_ids import EventIdMaker
from event_tracker.cli.ingest.input import AUTO, Input
from event_tracker.cli.ingest.logs.formats import LOG_FORMATS
from event_tracker.cli.ingest.readers import read_ndjson

LOGS = CloudFrontLogs(1, 3)
EVENT = '{"user_id": "ann", "event_type": "view", "request": {"uri": "/", "method": "GET"}, "ts": 1, "status": 200}\n'

CONTENTS = {
    **{name: line + "\n" for name, (line, _) in PLAIN.items()},
    "iis": f"#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-10-01 12:00:00\n{IIS_FIELDS}\n{IIS}\n",
    "cloudfront": LOGS.legacy(LOGS.requests, "now"),
}  # fmt: skip


def find(content: str | bytes, name: str = "lines.txt") -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    return find_format(name, io.BufferedReader(io.BytesIO(raw))).format  # type: ignore[type-var]


def test_every_format_has_a_case():
    assert CONTENTS.keys() == LOG_FORMATS.keys()


@pytest.mark.parametrize("name", CONTENTS)
def test_a_format_is_found_by_the_content(name):
    assert find(CONTENTS[name]) == name
    assert find("\ufeff\n\nbroken off line\n" + CONTENTS[name]) == name


@pytest.mark.parametrize("name", PLAIN)
def test_a_line_is_recognised_by_its_own_format_alone(name):
    lines = [IIS_FIELDS, IIS] if name == "iis" else [PLAIN[name][0]]
    assert {other for other, format_ in LOG_FORMATS.items() if format_.recognises(lines[0].encode())} == {name}


def test_a_file_of_nothing_but_what_s3_does_itself_is_recognised():
    assert find(S3.replace('"GET /a?b=c HTTP/1.1" 200', "- -").replace("WEBSITE.GET", "S3.EXPIRE")) == "s3"


def test_the_formats_of_events_are_found_too():
    assert find(EVENT) == "ndjson"
    assert find('{"user_id": "ann"}') == "ndjson"
    assert find("[1]") == "ndjson"
    assert find("timestamp,user_id,event_type\n") == "csv"
    assert find(b"PAR1") == find(b"PAR1", "access.log") == "parquet"
    assert find(LOGS.json_lines()) == "cloudfront"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.ndjson", "ndjson"), ("a.JSONL.gz", "ndjson"), ("-", "ndjson"), ("a.csv.zst", "csv"), ("access.log", "combined"),
     ("access.log.1", "combined"), ("access.log.2.gz", "combined"), ("access.log-20261001.bz2", None), ("access.log.2026-10-01.3.xz", "combined"),
     ("E2EXAMPLE12345.2026-10-01-00.ab12cd34.gz", None), ("access_log", None), ("a.2", None)],
)  # fmt: skip
def test_the_format_that_a_name_tells(name, expected):
    assert expected_format(name) == expected


def test_no_text_that_a_visitor_sends_makes_a_log_something_else():
    other = "[17/May/2015:10:05:03 +0200] a b c REST.GET.OBJECT x"
    forged = [
        COMBINED.replace("/a?b=c", "/?user_id,event_type"),
        COMBINED.replace("/a?b=c", '/{"event_type":"view","user_id":"ann"}'),
        COMBINED.replace("- - [", f"- {other} - ["),
        COMBINED.replace("- - [", "- user_id,event_type ["),
        S3.replace("Mozilla/5.0 (X)", 'x [17/May/2015:10:05:03 +0200] "GET / HTTP/1.1" 200 5'),
        S3.replace("/a?b=c", "/?user_id,event_type"),
        CADDY.replace("/a?b=c", "/?user_id,event_type"),
        IIS_FIELDS + "\n" + IIS.replace("b=c", "user_id,event_type"),
    ]
    formats = ["combined"] * 4 + ["s3"] * 2 + ["caddy", "iis"]
    assert [find(content + "\n", "access.log") for content in forged] == formats
    cut = [content[content.index("/") :] for content in forged[:1]]
    assert [find(f"{line}\n{COMBINED}\n") for line in cut] == ["combined"]
    assert find(f"x\nuser_id,event_type\n[1]\n{COMBINED}\n") == "combined"


def test_csv_is_told_by_the_cells_of_its_header():
    assert find('\ufeff\n"user_id","event_type",a\n') == "csv"
    assert find("user_id,event_type_name,x\n", "a.json") == "ndjson"
    with pytest.raises(click.UsageError):
        find("my user_id, event_type\n")


def test_what_the_content_does_not_tell_the_name_does():
    assert find("hello\n", "access.log.1") == "combined"
    assert find("", "access.log") == "combined"
    assert find("{}", "events.json") == "ndjson"
    assert find(CADDY, "access.json") == "caddy"
    assert find("user,event_type\n" + CADDY, "events.csv") == "csv"
    with pytest.raises(
        click.UsageError, match=r"The content of lines\.txt doesn't tell its format: add --format ndjson"
    ):
        find("x\n" * 20 + COMBINED)
    with pytest.raises(click.UsageError):
        find("x" * 70_000 + "\n" + COMBINED)


def test_an_empty_file_needs_no_format(tmp_path, capsys):
    """A delivery of logs may have files without lines, whose names tell nothing."""
    files = [tmp_path / "E2EXAMPLE12345.2026-10-01-00.ab12cd34.gz", tmp_path / "a.txt"]
    files[0].write_bytes(gzip.compress(b""))
    files[1].write_text("\n")
    assert list(Input([*map(str, files)], AUTO, EventIdMaker(), log_reader()).batches(10)) == []
    assert capsys.readouterr().err == ""


def only(entries: object) -> EventLine | RefusedLine | LeftOutLine:
    (entry,) = entries  # type: ignore[misc]
    return entry  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("format_", "line", "detail"),
    [
        ("combined", CADDY, "Isn't a line of a combined or common access log. It looks like a line of Caddy's JSON log: --format caddy."),
        ("caddy", COMBINED, "Isn't a JSON object. It looks like a line of a combined or common access log: --format combined."),
        ("combined", "#Fields: date x-edge-location", "Isn't a line of a combined or common access log. "
         "It looks like the header of CloudFront's access log: --format cloudfront."),
        ("combined", "#Version: 1.0", "Isn't a line of a combined or common access log. "
         "It looks like the header of a W3C log: --format cloudfront or --format iis."),
        ("combined", "hello", "Isn't a line of a combined or common access log."),
    ],
)  # fmt: skip
def test_the_error_of_a_line_names_the_likely_format(format_, line, detail):
    entry = only(log_reader().read(io.BytesIO(line.encode()), format_))
    assert entry == RefusedLine(1, line.encode(), Reason("", "invalid_log_line", detail))


def test_a_line_of_a_log_among_events_is_told_apart():
    events = [EVENT.encode(), CADDY.encode() + b"\n", b"{}\n", b"hello\n"]
    entries = list(read_ndjson(io.BytesIO(b"".join(events))))
    assert [isinstance(entry, EventLine) for entry in entries] == [True, False, True, True]
    assert entries[1] == RefusedLine(
        2, CADDY.encode(), Reason("", "not_an_event", "Isn't an event. It looks like a line of Caddy's JSON log: --format caddy.")
    )  # fmt: skip


def test_what_a_server_says_of_itself_is_left_out():
    own = b'{"level":"info","ts":1.5,"logger":"tls","msg":"cleaning"}\n'
    entries = list(log_reader().read(io.BytesIO(own + CADDY.encode()), "caddy"))
    assert entries[0] == LeftOutLine(1, "no_request")
    assert isinstance(entries[1], EventLine)


def test_lines_that_are_too_long_cost_no_other():
    long = COMBINED.replace("/a", "/" + "a" * 6_000_000)
    entries = list(log_reader().read(io.BytesIO(f"{long}\n{COMBINED}\n".encode()), "combined"))
    assert isinstance(entries[0], RefusedLine)
    assert entries[0].reason.code == "event_too_large"
    assert isinstance(entries[1], EventLine)
    assert entries[1].number == 2


def test_a_line_that_is_longer_than_what_is_looked_at_is_read_whole(tmp_path):
    file = tmp_path / "access.log"
    file.write_text(f"{COMBINED.replace('/a', '/' + 'a' * 100_000)}\n{COMBINED}\n")
    (batch,) = Input([str(file)], AUTO, EventIdMaker(), log_reader()).batches(10)
    assert [(type(item.entry), item.entry.number) for item in batch] == [(EventLine, 1), (EventLine, 2)]
    found = find_format("access.log", io.BufferedReader(io.BytesIO(b"a" * 130_000)))
    assert [len(found.stream.readline(50_000)) for _ in range(3)] == [50_000, 50_000, 30_000]


def test_it_is_said_which_format_was_taken_where_the_name_tells_another_or_none(tmp_path, capsys):
    names = ["access.log", "a.txt", "b.txt", "c.log"]
    contents = [COMBINED, COMBINED, COMBINED, CADDY]
    files = [tmp_path / name for name in names]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content)
    batches = list(Input([*map(str, files)], AUTO, EventIdMaker(), log_reader()).batches(10))
    assert [len(batch) for batch in batches] == [4]
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"{files[1]} is read as a combined or common access log (--format combined).",
        f"{files[3]} is read as Caddy's JSON log (--format caddy).",
    ]
    list(Input([str(files[1])], "combined", EventIdMaker(), log_reader()).batches(10))
    assert capsys.readouterr().err == ""


def test_a_live_log_is_read_line_by_line():
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "wb", buffering=0) as pipe:
        pipe.write(COMBINED.encode() + b"\n")
        batches = Input([f"/dev/fd/{reader}"], AUTO, EventIdMaker(), log_reader()).batches(1)
        (first,) = next(batches)  # it waits for no second line: none comes
        assert isinstance(first.entry, EventLine)
        assert msgspec.json.decode(first.entry.event)["event_type"] == "page_view"
        batches.close()  # type: ignore[attr-defined]


def test_the_option_offers_every_format():
    assert [*FORMATS] == ["ndjson", "csv", "parquet", *LOG_FORMATS]
