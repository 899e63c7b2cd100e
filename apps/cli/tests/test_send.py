"""`tracker send` through a real collector into PostgreSQL."""

import gzip
import json
import os
import pty
import re
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pyarrow.parquet
import pytest
import requests
from click.testing import CliRunner, Result
from ports import free_port
from servers import Postgres, Service
from waiting import eventually

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.ingest import access_log
from event_tracker.cli.ingest.send import send

REAL_LOG = Path(__file__).parents[4] / "shared" / "data" / "web-access.log.gz"
NOON = "2026-03-01T12:00:00Z"

Start = Callable[..., Service]


class Store:
    """A collector, and what is in its database."""

    def __init__(self, url: str, owner: psycopg.Connection) -> None:
        self.url, self.owner = url, owner

    def send(self, *arguments: object) -> Result:
        return CliRunner().invoke(send, [*map(str, arguments), "--collector", self.url])

    def rows(self, columns: str = "user_id, event_type") -> list[Any]:
        return self.owner.execute(f'select {columns} from events order by user_id, "timestamp", event_id').fetchall()

    @property
    def stored(self) -> int:
        """How many events are stored; checks that as many are counted."""
        ((events, counted),) = self.owner.execute(
            "select (select count(*) from events), (select coalesce(sum(count), 0) from event_counts)"
        ).fetchall()
        assert events == counted
        return int(events)


@pytest.fixture
def store(pair) -> Store:
    return Store(pair.collector.url, pair.owner)


def ndjson(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def views(number: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"user_id": f"user-{n % 7}", "event_type": "view", "timestamp": NOON, "properties": {"n": n}, **more}
        for n in range(number)
    ]


def rejected(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"{file}.rejected.ndjson").read_text().splitlines()]


def test_a_second_run_is_all_duplicates(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *views(2500))
    first = store.send(file)
    assert first.exit_code == 0, first.output
    assert first.output.startswith("2,500 lines: 2,500 stored, 0 duplicates, 0 rejected.")
    second = store.send(file, "--batch", 77)
    assert second.exit_code == 0
    assert second.output.startswith("2,500 lines: 0 stored, 2,500 duplicates, 0 rejected.")
    assert store.stored == 2500
    assert not list(tmp_path.glob("*rejected*"))


def test_equal_lines_are_as_many_events_and_a_file_may_grow(store, tmp_path):
    line = {"user_id": "ann", "event_type": "view", "timestamp": NOON}
    file = ndjson(tmp_path / "events.jsonl", line, line, line)
    assert "3 stored" in store.send(file).output
    ndjson(file, line, line, line, line, {**line, "user_id": "bob"})
    assert "5 lines: 2 stored, 3 duplicates" in store.send(file).output
    assert Counter(store.rows()) == {("ann", "view"): 4, ("bob", "view"): 1}


def test_equal_lines_are_counted_across_batches(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *[{"user_id": "ann", "event_type": "view", "timestamp": NOON}] * 25)
    assert "25 stored" in store.send(file, "--batch", 3).output


def test_an_identity_of_its_own_is_kept(store, tmp_path):
    own, seventh = str(uuid.uuid4()), "019a0000-0000-7000-8000-000000000001"
    file = ndjson(
        tmp_path / "events.ndjson",
        {"user_id": "ann", "event_type": "view", "timestamp": NOON, "event_id": own},
        {"user_id": "bob", "event_type": "view", "event_id": seventh},
    )
    assert store.send(file).exit_code == 0
    assert [str(event_id) for (event_id,) in store.rows("event_id")] == [own, seventh]


def test_what_a_line_holds_is_sent_as_it_stands(store, tmp_path):
    file = tmp_path / "events.ndjson"
    file.write_bytes(
        b"\xef\xbb\xbf"
        b'{"user_id":"ann","event_type":"view","timestamp":"2026-03-01T12:00:00Z",'
        b'"properties":{"a":1.0,"b":123456789012345678901234567890,"c":"\xc3\xa9"}}   \r\n\n\n'
    )
    assert store.send(file).exit_code == 0
    assert store.rows("properties::text") == [('{"a": 1.0, "b": 123456789012345678901234567890, "c": "é"}',)]


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
    [(b"PAR1", "This Parquet file can't be read"), ({"user_id": ["ann"]}, "is no export of events: it has the columns user_id.")],
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


def test_rejected_lines_go_to_a_file_with_the_reasons(store, tmp_path):
    good = json.dumps(views(1)[0])
    file = tmp_path / "events.ndjson"
    file.write_text(
        f'{good}\n{{"event_type": "", "timestamp": "{NOON}", "colour": "red"}}\nnot JSON\n\n{{}}\n'
        f'{{"user_id": "ann", "event_type": "view", "event_id": "7f0c8f0e-7a0b-4d0e-8d0e-0a0b0c0d0e0f"}}\n[1]\n'
    )
    result = store.send(file)
    assert result.exit_code == 1
    assert result.output.startswith("6 lines: 1 stored, 0 duplicates, 5 rejected.")
    assert f"Lines that aren't stored and why: {file}.rejected.ndjson" in result.output
    lines = rejected(file)
    assert [line["line"] for line in lines] == [2, 3, 5, 6, 7]
    assert {(error["pointer"], error["code"]) for error in lines[0]["errors"]} == {
        ("/user_id", "required"),
        ("/event_type", "length"),
        ("/colour", "unknown_field"),
    }
    assert lines[0]["event"] == {"event_type": "", "timestamp": NOON, "colour": "red"}
    assert lines[1]["event"] == "not JSON"
    assert [[error["code"] for error in line["errors"]] for line in lines[1:]] == [
        ["invalid_json"],
        ["timestamp_required"],
        ["timestamp_required"],
        ["wrong_type"],
    ]
    assert all(error["detail"] for line in lines for error in line["errors"])
    assert store.stored == 1


def test_a_file_of_nothing_but_bad_lines(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *[{"user_id": "ann", "timestamp": NOON}] * 3)
    assert "0 stored, 0 duplicates, 3 rejected" in store.send(file).output
    assert [line["line"] for line in rejected(file)] == [1, 2, 3]


def test_a_mended_file_leaves_no_rejected_lines_behind(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", {"user_id": "ann", "timestamp": NOON})
    assert store.send(file).exit_code == 1
    ndjson(file, {"user_id": "ann", "timestamp": NOON, "event_type": "view"})
    assert store.send(file).exit_code == 0
    assert not Path(f"{file}.rejected.ndjson").exists()


def test_a_line_without_a_time_is_rejected_unless_it_is_given_one(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *[{"user_id": "ann", "event_type": "view"}] * 2)
    assert store.send(file).exit_code == 1
    assert [line["errors"][0]["code"] for line in rejected(file)] == ["timestamp_required"] * 2
    assert store.send(file, "--timestamp", NOON).exit_code == 0
    assert "2 duplicates" in store.send(file, "--timestamp", NOON).output
    assert store.rows('"timestamp"') == [(datetime(2026, 3, 1, 12, tzinfo=UTC),)] * 2


def test_null_and_characters_that_are_replaced_do_not_cost_a_line_its_identity(store, tmp_path):
    file = tmp_path / "events.ndjson"
    file.write_bytes(
        b'{"user_id":"ann","event_type":"view","timestamp":"2026-03-01T12:00:00Z","properties":{"a":"\\ud83d\\u0000"}}\n'
        b'{"user_id":"bob","event_type":"view","timestamp":null,"event_id":null}\n'
    )
    assert "2 lines: 2 stored" in store.send(file, "--timestamp", NOON).output
    assert "2 lines: 0 stored, 2 duplicates" in store.send(file, "--timestamp", NOON).output
    assert store.rows("properties") == [({"a": "\ufffd\ufffd"},), ({},)]


def test_events_that_are_too_large_are_rejected_one_by_one(store, tmp_path):
    file = ndjson(
        tmp_path / "events.ndjson",
        *views(1),
        {**views(1)[0], "properties": {"text": "x" * 70_000}},
        {**views(1)[0], "properties": {"text": "x" * 6_000_000}},
        *views(2)[1:],
    )
    assert "2 stored, 0 duplicates, 2 rejected" in store.send(file).output
    assert [(line["line"], line["errors"][0]["code"]) for line in rejected(file)] == [
        (2, "event_too_large"),
        (3, "event_too_large"),
    ]


def test_requests_stay_below_five_mebibytes(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *views(200, session_id="s", properties={"text": "x" * 60_000}))
    assert "200 stored" in store.send(file).output


def test_a_collector_with_lower_limits_gets_smaller_batches(start_service, postgres, database, owner, tmp_path):
    collector = start_service(
        "collector", DATABASE_URL=postgres.url(database, "collector"), MAX_EVENTS=100, MAX_BODY_BYTES=20_000
    )
    small = Store(collector.url, owner)
    file = ndjson(
        tmp_path / "events.ndjson",
        *views(950),
        {**views(1)[0], "properties": {"text": "x" * 30_000}},
        {"user_id": "ann", "timestamp": NOON},
    )
    assert "952 lines: 950 stored, 0 duplicates, 2 rejected" in small.send(file).output
    assert [(line["line"], line["errors"][0]["code"]) for line in rejected(file)] == [
        (951, "too_large"),
        (952, "required"),
    ]


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


def test_a_dry_run_stores_nothing(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *views(3), {"user_id": "ann", "timestamp": NOON})
    result = store.send(file, "--dry-run")
    assert result.exit_code == 1
    assert "4 lines: 3 valid, 1 rejected; nothing is stored (dry run)" in result.output
    assert store.stored == 0


def test_a_collector_that_is_not_there(tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *views(3))
    result = CliRunner().invoke(send, [str(file), "--collector", f"http://127.0.0.1:{free_port()}"])
    assert result.exit_code == 2
    assert re.fullmatch(
        r"Error: No collector answers at \S+ Start one with `tracker up`, or name another URL.\n", result.output
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.xml", "", "doesn't tell its format: add --format ndjson|csv|parquet|combined"),
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


def test_other_usage_errors(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *views(1))
    assert "No such file" in store.send(tmp_path / "nothing.ndjson").output
    assert "isn't a time with an offset" in store.send(file, "--timestamp", "yesterday").output
    assert "names the file that is sent" in store.send(file, "--rejected", file).output
    assert file.exists()


def test_a_file_that_breaks_off_is_told(store, tmp_path):
    file = tmp_path / "events.ndjson.gz"
    noise = [{**view, "properties": {"id": str(uuid.uuid4())}} for view in views(3000)]
    file.write_bytes(gzip.compress("".join(json.dumps(event) + "\n" for event in noise).encode())[:-5000])
    result = store.send(file, "--batch", 100)
    assert result.exit_code == 2
    assert "Compressed file ended before" in result.output
    assert "Send the same file again" in result.output


def test_a_progress_bar_on_a_terminal(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *views(50))
    terminal, other_end = pty.openpty()
    command = [sys.executable, "-m", "event_tracker.cli", "send", str(file), "--collector", store.url]
    process = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=other_end,
        timeout=60,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(other_end)
    shown = ""
    with suppress(OSError):  # where the other end is closed there is an error after the last of it
        while part := os.read(terminal, 100_000):
            shown += part.decode()
    os.close(terminal)
    assert process.returncode == 0
    assert "50 lines" in shown
    assert "100%" in shown


class Sending:
    """`tracker send` as a process, on a database of which the collector can be killed.

    It reads a pipe into which only half of the file goes before `go_on`: however late the test is, there is more to be sent.
    """

    def __init__(self, start: Start, dsn: str, owner: psycopg.Connection, file: Path) -> None:
        self.start, self.dsn, self.file = start, dsn, file
        self.may_go_on = Event()
        self.port = free_port()
        self.store = Store(f"http://127.0.0.1:{self.port}", owner)
        self.collector = self.start_collector()

    def start_collector(self) -> Service:
        return self.start("collector", DATABASE_URL=self.dsn, PORT=self.port)

    def begin(self, *options: object) -> "subprocess.Popen[str]":
        """Start sending; returns when some of it is stored."""
        command = [
            sys.executable,
            "-m",
            "event_tracker.cli",
            "send",
            "-",
            "--collector",
            self.store.url,
            *map(str, options),
        ]
        reader, writer = os.pipe()
        process = subprocess.Popen(command, stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.close(reader)
        Thread(target=self.feed, args=[writer], daemon=True).start()
        while self.store.stored < 200:
            assert process.poll() is None
            time.sleep(0.005)
        return process

    def feed(self, writer: int) -> None:
        lines = self.file.read_bytes().splitlines(keepends=True)
        with suppress(BrokenPipeError), open(writer, "wb", buffering=0) as pipe:
            pipe.write(b"".join(lines[: LINES // 2]))
            self.may_go_on.wait()
            pipe.write(b"".join(lines[LINES // 2 :]))

    def go_on(self) -> None:
        """Let it have the rest of the file."""
        self.may_go_on.set()


LINES = 8_000


@pytest.fixture
def sending(
    start_service: Start, postgres: Postgres, database: str, owner: psycopg.Connection, tmp_path: Path
) -> Iterator[Sending]:
    file = ndjson(tmp_path / "events.ndjson", *views(LINES))
    sending = Sending(start_service, postgres.url(database, "collector"), owner, file)
    yield sending
    sending.go_on()


def test_a_collector_killed_and_restarted_meanwhile_loses_and_doubles_nothing(sending):
    process = sending.begin("--batch", 20)
    sending.collector.kill()
    assert 0 < sending.store.stored < LINES
    sending.go_on()
    assert "Trying again for up to 60 s." in process.stderr.readline()
    sending.collector = sending.start_collector()
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    stored, duplicates = map(int, re.findall(r"([\d,]+) (?:stored|duplicates)", output.replace(",", "")))
    assert stored + duplicates == LINES
    assert sending.store.stored == LINES


def test_when_it_gives_up_it_says_so_and_a_rerun_completes_it(sending):
    process = sending.begin("--batch", 20, "--patience", 0.5)
    sending.collector.kill()
    sending.go_on()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "doesn't answer. Tried for 0.5 s" in errors
    assert re.search(r"Stopped after line [\d,]+: .* Send the same file again", errors)
    # What the killed collector had begun to store may still be: its sessions end by themselves.
    others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    assert eventually(
        lambda: sending.store.owner.execute(f"{others} and backend_type = 'client backend'").fetchone() == (0,)
    )
    before = sending.store.stored
    assert 0 < before < LINES
    sending.collector = sending.start_collector()
    assert f"{LINES - before:,} stored, {before:,} duplicates, 0 rejected" in sending.store.send(sending.file).output
    assert sending.store.stored == LINES


def test_ctrl_c_tells_how_far_it_came(sending):
    process = sending.begin("--batch", 20)
    process.send_signal(2)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Send the same file again" in errors


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


@pytest.mark.parametrize(
    ("changed", "event_type", "properties"),
    [
        ({}, "page_view", {"method": "GET", "path": "/a", "query": "b=c", "status": 200, "bytes": 12}),
        ({"request": "GET /x.PNG HTTP/1.0", "size": "-"}, "asset", {"method": "GET", "path": "/x.PNG", "status": 200}),
        (
            {"request": "GET / HTTP/2.0", "status": 404},
            "http_error",
            {"method": "GET", "path": "/", "status": 404, "bytes": 12},
        ),
        (
            {"request": "POST /form HTTP/1.1"},
            "http_post",
            {"method": "POST", "path": "/form", "status": 200, "bytes": 12},
        ),
        ({"request": r"\x16\x03", "status": 400}, "http_error", {"request": r"\x16\x03", "status": 400, "bytes": 12}),
        (
            {"request": "GET / HTTP/1.1", "user": "ann", "referrer": "http://x/", "agent": r"A \"B\""},
            "page_view",
            {
                "method": "GET",
                "path": "/",
                "user": "ann",
                "referrer": "http://x/",
                "user_agent": r"A \"B\"",
                "status": 200,
                "bytes": 12,
            },
        ),
    ],
)
def test_a_log_line_becomes_an_event(changed, event_type, properties):
    event = access_log.parse(LOG_LINE.format(**{**LOG, **changed}).encode())
    assert event == {
        "user_id": "1.2.3.4",
        "event_type": event_type,
        "timestamp": "2015-05-17T10:05:03+02:00",
        "properties": properties,
    }


def test_a_line_of_the_common_format_is_read():
    event = access_log.parse(b'host.example - - [01/Aug/1995:00:00:01 -0400] "GET / HTTP/1.0" 304 0')
    assert event is not None
    assert (event["user_id"], event["timestamp"]) == ("host.example", "1995-08-01T00:00:01-04:00")


def test_a_leap_second_of_a_log_is_the_second_behind_it(store, tmp_path):
    file = tmp_path / "access.log"
    line = '198.51.100.7 - - [{}] "GET / HTTP/1.1" 200 1\n'
    times = ["31/Dec/2016:23:59:60 +0000", "01/Jul/2015:01:59:60 +0200", "31/Dec/2016:12:59:60 +0000"]
    file.write_text("".join(map(line.format, times)))
    assert "3 lines: 2 stored, 0 duplicates, 1 rejected" in store.send(file).output
    assert store.rows('"timestamp"') == [(datetime(2015, 7, 1, tzinfo=UTC),), (datetime(2017, 1, 1, tzinfo=UTC),)]
    assert [line["errors"][0]["code"] for line in rejected(file)] == ["invalid_timestamp"]


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
    assert access_log.parse(line) is None


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
    assert Counter(store.rows("properties ->> 'path'")) == {("/a",): 2, (r"/\xff",): 1}
    assert "0 stored, 3 duplicates, 1 rejected" in store.send(file).output


def independently(lines: list[str]) -> list[tuple[str, datetime, str, str]]:
    """Host, time, type and path of each line that a quite different reading of it finds."""
    found = []
    for line in lines:
        quoted = line.split('"')
        if len(quoted) < 7:
            continue
        host, clock = re.match(r"(\S+).*\[(.*)\]", quoted[0]).groups()  # type: ignore[union-attr]
        method, path, _ = quoted[1].split(" ")
        status = int(quoted[2].split()[0])
        path = path.split("?")[0]
        picture = path.rsplit("/")[-1].rpartition(".")[1:][1].lower() if "." in path.rsplit("/")[-1] else ""
        if status >= 400:
            kind = "http_error"
        elif method != "GET":
            kind = "http_" + method.lower()
        else:
            kind = (
                "asset"
                if picture
                in [
                    "avif",
                    "bmp",
                    "css",
                    "eot",
                    "gif",
                    "ico",
                    "jpg",
                    "jpeg",
                    "js",
                    "map",
                    "mjs",
                    "otf",
                    "png",
                    "svg",
                    "ttf",
                    "webp",
                    "woff",
                    "woff2",
                ]
                else "page_view"
            )
        found.append((host, datetime.strptime(clock, "%d/%b/%Y:%H:%M:%S %z"), kind, path))
    return found


def test_a_real_access_log_gives_the_counts_and_timelines_that_another_reading_gives(store, tmp_path):
    if not REAL_LOG.exists():
        pytest.skip("the real access log isn't beside this repository (../shared/data/web-access.log.gz)")
    report = tmp_path / "rejected.ndjson"
    result = store.send(REAL_LOG, "--rejected", report)
    assert "10,000 lines: 9,999 stored, 0 duplicates, 1 rejected" in result.output
    assert [json.loads(line)["line"] for line in report.read_text().splitlines()] == [8899]

    expected = independently(gzip.decompress(REAL_LOG.read_bytes()).decode().splitlines())
    by_hour = Counter((when.replace(minute=0, second=0), kind) for _, when, kind, _ in expected)
    stored = store.owner.execute("select hour, event_type, sum(count) from event_counts group by 1, 2").fetchall()
    assert {(hour, kind): int(count) for hour, kind, count in stored} == by_hour

    for visitor, _ in Counter(host for host, *_ in expected).most_common(3):
        timeline = sorted((when, kind, path) for host, when, kind, path in expected if host == visitor)
        rows = store.owner.execute(
            """select "timestamp", event_type, properties ->> 'path' from events where user_id = %s""", [visitor]
        ).fetchall()
        assert sorted(rows) == timeline

    assert "0 stored, 9,999 duplicates, 1 rejected" in store.send(REAL_LOG, "--rejected", report).output
    assert store.stored == 9999
