"""`tracker send` through a real collector into PostgreSQL."""

import json
import os
import pty
import re
import subprocess
import sys
import uuid
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner
from ports import free_port
from sent_files import NOON, Store, ndjson, rejected, views

from event_tracker.cli.ingest.send import send


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


def test_other_usage_errors(store, tmp_path):
    file = ndjson(tmp_path / "events.ndjson", *views(1))
    assert "No such file" in store.send(tmp_path / "nothing.ndjson").output
    assert "isn't a time with an offset" in store.send(file, "--timestamp", "yesterday").output
    assert "names the file that is sent" in store.send(file, "--rejected", file).output
    assert file.exists()


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
