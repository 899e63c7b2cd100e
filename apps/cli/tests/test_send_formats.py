"""The formats that `tracker send` reads, and how they reach it: files, compressed ones, standard input, pipes."""

import gzip
import json
import os
import subprocess
import sys
import uuid
from threading import Thread
from typing import Any

import pyarrow.parquet
import pytest
import requests
from sent_files import NOON, ndjson, rejected, views

ODD = {
    "unicode": "Zoë 😀 \u202e e\u0301 \u0085 \u2028 \ufeff",
    "null": None,
    "": "",
    "nested": {"numbers": [[-0.0, 1e-7, 1.0, 20.50, 1e300], {"deep": [{}, [], [None]]}]},
    "integer": 2**100,
    "text": 'quotes "", commas, \\n, \r\n, \t and =1+1',
    "source": "ad",
    "received_at": "noon",
}


EXPORTED = [
    {"user_id": "ann", "event_type": "view", "timestamp": NOON, "session_id": "s", "properties": {"a": 1.0, "b": [None]}},
    {"user_id": "a\nb\r\n,\"", "event_type": " ", "timestamp": "2026-03-01T12:00:00.000001Z", "session_id": "\n", "properties": ODD},
    {"user_id": "=1+1", "event_type": "Zoë\u2028", "timestamp": "2026-03-01T23:59:59.999999+05:45", "properties": {}},
    {"user_id": "many", "event_type": "view", "timestamp": "2026-03-01T12:00:00Z", "properties": {"n": [1] * 31_000}},
    {"user_id": "bob", "event_type": "view", "timestamp": "2000-01-01T00:00:00.1Z"},
]  # fmt: skip


@pytest.mark.parametrize("ending", ["ndjson", "csv", "parquet"])
def test_an_export_can_be_sent_to_another_instance(pair, store, tmp_path, ending):
    sent = tmp_path / "events.ndjson"
    sent.write_text("".join(json.dumps(event, separators=(",", ":")) + "\n" for event in EXPORTED))
    assert store.send(sent).exit_code == 0
    file = tmp_path / f"export.{ending}"
    parameters = {"from": "2000-01-01T00:00:00Z", "format": ending}
    file.write_bytes(requests.get(f"{pair.query.url}/events/export", parameters, timeout=30).content)
    columns = 'user_id, event_type, "timestamp", event_id, session_id, properties::text'
    stored = store.rows(columns)
    assert len(stored) == len(EXPORTED)
    store.owner.execute("truncate events, event_counts, users")
    assert "5 lines: 5 stored, 0 duplicates, 0 rejected" in store.send(file).output
    assert "5 lines: 0 stored, 5 duplicates, 0 rejected" in store.send(file).output
    assert store.rows(columns) == stored


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"PAR1", "This Parquet file can't be read"), ({"user_id": ["ann"]}, "is neither an export of events nor a log of CloudFront: it has the columns user_id.")],
)  # fmt: skip
def test_a_parquet_file_that_is_no_export_is_refused_in_a_sentence(store, tmp_path, content, said):
    file = tmp_path / "other.parquet"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        pyarrow.parquet.write_table(pyarrow.table(content), file)
    result = store.send(file)
    assert result.exit_code == 2
    assert said in result.output


def test_parquet_without_pyarrow_is_refused_in_a_sentence(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = tmp_path / "events.parquet"
    file.write_bytes(b"PAR1")
    result = store.send(file)
    assert result.exit_code == 2
    assert "which isn't installed" in result.output


def test_only_an_export_is_sent_without_what_the_collector_says(store, tmp_path):
    line = {**views(1)[0], "received_at": NOON, "source": "shop"}
    assert store.send(ndjson(tmp_path / "events.ndjson", line)).exit_code == 1
    file = tmp_path / "events.csv"
    file.write_text(f"user_id,event_type,timestamp,source\nann,view,{NOON},shop\n")
    assert store.send(file).exit_code == 0
    assert store.rows("properties") == [({"source": "shop"},)]


@pytest.mark.parametrize("deep", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_a_line_that_is_nested_far_too_deep_costs_no_other(store, tmp_path, deep):
    good = json.dumps(views(1)[0])
    file = tmp_path / "events.ndjson"
    file.write_text(f'{good[:-1]}, "more": {deep}}}\n{good}\n')
    assert "2 lines: 1 stored, 0 duplicates, 1 rejected" in store.send(file).output
    table = tmp_path / "events.csv"
    table.write_text(
        f'user_id,event_type,timestamp,properties\nann,view,{NOON},"{deep.replace(chr(34), chr(34) * 2)}"\nbob,view,{NOON},\n'
    )
    assert "2 lines: 1 stored, 0 duplicates, 1 rejected" in store.send(table).output


def test_csv(store, tmp_path):
    file = tmp_path / "events.csv"
    file.write_bytes(
        b"\xef\xbb\xbfuser_id,event_type,timestamp,session_id,page,properties\r\n"
        b'ann,view,2026-03-01T12:00:00Z,s1,/a,"{""price"": 1.5}"\r\n'
        b'bob,view,2026-03-01T12:00:00+01:00,,"two\r\nlines",\r\n'
        b"\r\n"
        b"cid,view\r\n"
        b"dan,view,2026-03-01T12:00:00Z,,,[1]\r\n"
        b"eve,view,2026-03-01T12:00:00Z,,\xff,\r\n"
        b",view,2026-03-01T12:00:00Z,,,\r\n"
        b"fay,view,2026-03-01T12:00:00Z,,,\r\n"
    )
    result = store.send(file)
    assert result.exit_code == 1
    assert result.output.startswith("7 lines: 3 stored, 0 duplicates, 4 rejected.")
    assert store.rows("user_id, session_id, properties::text") == [
        ("ann", "s1", '{"page": "/a", "price": 1.5}'),
        ("bob", None, '{"page": "two\\r\\nlines"}'),
        ("fay", None, "{}"),
    ]
    assert [(line["line"], line["errors"][0]["detail"]) for line in rejected(file)] == [
        (6, "Has 2 cells where the header names 6."),
        (7, "The column properties must hold a JSON object."),
        (8, "Isn't UTF-8."),
        (9, "Is missing."),
    ]
    assert "3 duplicates" in store.send(file).output


def test_a_row_that_csv_cannot_read_costs_no_other(store, tmp_path):
    file = tmp_path / "events.csv"
    file.write_text(f"user_id,event_type,timestamp,page\nann,view,{NOON},{'x' * 200_000}\nbob,view,{NOON},/\n")
    assert "1 stored, 0 duplicates, 1 rejected" in store.send(file).output
    assert "field larger than field limit" in rejected(file)[0]["errors"][0]["detail"]


def test_compressed_files_are_told_by_their_content(store, tmp_path):
    plain = ndjson(tmp_path / "events.ndjson", *views(10))
    named = tmp_path / "events.ndjson.gz"
    named.write_bytes(gzip.compress(plain.read_bytes()))
    unnamed = tmp_path / "other.ndjson"
    unnamed.write_bytes(named.read_bytes())
    assert "10 stored" in store.send(named).output
    assert "10 duplicates" in store.send(unnamed).output
    assert "10 duplicates" in store.send(plain).output


def tracker(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "event_tracker.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=60, **options)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_standard_input(store, tmp_path, compress):
    lines = "".join(json.dumps(event) + "\n" for event in [*views(5), {"user_id": "ann"}])
    result = tracker("send", "-", "--collector", store.url, input=compress(lines.encode()), cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith(b"6 lines: 5 stored, 0 duplicates, 1 rejected.")
    assert result.stderr == b""
    assert json.loads((tmp_path / "rejected.ndjson").read_text())["line"] == 6


def test_a_named_pipe(store, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = "".join(json.dumps(event) + "\n" for event in [*views(5), {"user_id": "ann"}])
    writer = Thread(target=pipe.write_text, args=(content,))
    writer.start()
    result = tracker("send", pipe, "--format", "ndjson", "--collector", store.url, cwd=tmp_path)
    writer.join()
    assert result.stdout.startswith(b"6 lines: 5 stored, 0 duplicates, 1 rejected."), result.stderr
    assert (tmp_path / "rejected.ndjson").exists()


def test_an_empty_file(store, tmp_path):
    assert "0 lines: 0 stored" in store.send(ndjson(tmp_path / "events.ndjson")).output


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.xml", "<events/>", "doesn't tell its format: add --format ndjson|csv|parquet|cloudfront"),
        ("events.json", '\n[{"user_id": "ann"}]', "one JSON array; send reads one object a line: jq -c '.[]'"),
        ("events.csv", "user,event_type\n", "The CSV header lacks user_id; it has user, event_type."),
        ("events.csv", "", "The CSV header lacks event_type, user_id; it has nothing."),
        ("events.csv", "user_id,event_type,a,a\n", "The CSV header names a column twice."),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(store, tmp_path, name, content, message):
    file = tmp_path / name
    file.write_text(content)
    result = store.send(file)
    assert result.exit_code == 2
    assert message in result.output


def test_a_file_that_breaks_off_is_told(store, tmp_path):
    file = tmp_path / "events.ndjson.gz"
    noise = [{**view, "properties": {"id": str(uuid.uuid4())}} for view in views(3000)]
    file.write_bytes(gzip.compress("".join(json.dumps(event) + "\n" for event in noise).encode())[:-5000])
    result = store.send(file, "--batch", 100)
    assert result.exit_code == 2
    assert "Compressed file ended before" in result.output
    assert "Send the same file again" in result.output
