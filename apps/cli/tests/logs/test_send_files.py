"""`tracker send` of several files: folders, patterns, rotated and compressed logs."""

import bz2
import gzip
import json
import lzma
import sys
import uuid
from itertools import chain

import click
import msgspec
import pytest
from click.testing import CliRunner
from log_lines import CADDY, COMBINED
from log_readers import log_reader
from sent_files import NOON, ndjson, rejected

from event_tracker.cli.ingest.compression import READ_ERRORS
from event_tracker.cli.ingest.delivery import MAX_BYTES
from event_tracker.cli.ingest.entries import EventLine
from event_tracker.cli.ingest.event_ids import EventIdMaker
from event_tracker.cli.ingest.files import find_files
from event_tracker.cli.ingest.input import AUTO, Input, Item
from event_tracker.cli.ingest.send import send

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd.compress}


def lines(*paths: str) -> str:
    return "".join(COMBINED.replace("/a?b=c", path) + "\n" for path in paths)


def ids(*files: object) -> list[str]:
    """The identity of each line."""
    batches = Input([*map(str, files)], AUTO, EventIdMaker(), log_reader()).batches(7)
    entries = [item.entry for batch in batches for item in batch]
    return [msgspec.json.decode(entry.event)["event_id"] for entry in entries if isinstance(entry, EventLine)]


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_log_that_is_rotated_and_compressed_has_the_same_lines(tmp_path, ending):
    content = lines("/a", "/a", "/b").encode()
    today = tmp_path / "access.log"
    today.write_bytes(content)
    tomorrow = tmp_path / f"access.log.2{ending}"
    tomorrow.write_bytes(COMPRESS[ending](content[:200]) + COMPRESS[ending](content[200:]))
    unnamed = tmp_path / "access.log.3"
    unnamed.write_bytes(COMPRESS[ending](content))
    expected = ids(today)
    assert len({*expected}) == 3
    assert ids(tomorrow) == ids(unnamed) == expected
    assert ids(today, tomorrow) == expected * 2


def test_equal_lines_are_counted_within_a_file_and_not_across_files(tmp_path):
    (tmp_path / "access.log").write_text(lines("/a", "/a"))
    (tmp_path / "access.log.1").write_text(lines("/a", "/b", "/a", "/a"))
    now, before = ids(tmp_path / "access.log"), ids(tmp_path / "access.log.1")
    assert now == [before[0], before[2]]
    assert len({*before}) == 4


def test_rotated_logs_are_stored_once(store, tmp_path):
    (tmp_path / "access.log").write_text(lines("/c", "/a"))
    (tmp_path / "access.log.1").write_text(lines("/a", "/b", "/a"))
    first = store.send(tmp_path)
    assert first.output.startswith("2 files, 5 lines: 4 stored, 1 duplicates, 0 rejected.")
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress((tmp_path / "access.log.1").read_bytes()))
    (tmp_path / "access.log").rename(tmp_path / "access.log.1")
    (tmp_path / "access.log").write_text(lines("/d"))
    again = store.send(tmp_path)
    assert again.output.startswith("3 files, 6 lines: 1 stored, 5 duplicates, 0 rejected.")
    assert sorted(store.rows("properties ->> 'page'")) == [("/a",), ("/a",), ("/b",), ("/c",), ("/d",)]


def test_each_file_has_its_own_line_numbers_and_errors(store, tmp_path):
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text("cut off\n" + lines("/a"))
    two.write_text(lines("/b", "/c") + "\n" + "hello\n")
    result = store.send(one, two)
    assert result.exit_code == 1
    assert "2 files, 5 lines: 3 stored, 0 duplicates, 2 rejected." in result.output
    assert f"Lines that aren't stored and why: {one}.rejected.ndjson, {two}.rejected.ndjson" in result.output
    assert f"2 times invalid_log_line, as in {one}, line 1:" in result.output
    assert [(line["line"], line["event"]) for line in rejected(one)] == [(1, "cut off")]
    assert [(line["line"], line["event"]) for line in rejected(two)] == [(4, "hello")]

    assert "2 files, 5 lines: 0 stored, 3 duplicates, 2 rejected." in store.send(tmp_path).output  # not the reports
    common = tmp_path / "all.ndjson"
    store.send(one, two, "--rejected", common)
    written = [json.loads(line) for line in common.read_text().splitlines()]
    assert [(line["file"], line["line"]) for line in written] == [(str(one), 1), (str(two), 4)]


def test_files_with_rejected_lines_are_left_out_if_the_shell_names_them(store, tmp_path):
    log, report = tmp_path / "access.log", tmp_path / "access.log.rejected.ndjson"
    log.write_text(lines("/a") + "cut off\n")
    store.send(log)
    result = store.send(log, report)
    assert result.exit_code == 1
    assert (
        f"{report} is left out: it has rejected lines.\n2 lines: 0 stored, 1 duplicates, 1 rejected." in result.output
    )
    assert [line["event"] for line in rejected(log)] == ["cut off"]
    alone = store.send(report)
    assert alone.exit_code == 2
    assert "put what each has as event, corrected, into a file of another name" in alone.output
    assert report.exists()


@pytest.mark.parametrize(
    "arguments", [["access.log"], ["access.log", "access.log.rejected.ndjson"], ["."], ["access.*"]]
)
def test_a_file_of_corrected_lines_is_never_removed(store, tmp_path, arguments):
    log, corrected = tmp_path / "access.log", tmp_path / "access.log.rejected.ndjson"
    log.write_text("cut off\n")
    corrected.write_text('{"user_id":"ann","event_type":"view","timestamp":"2026-03-01T12:00:00Z"}\n')
    result = store.send(*(tmp_path / argument for argument in arguments))
    assert result.exit_code == 2
    assert f"{corrected} would be replaced, and it has no rejected lines: give it another name." in result.output
    assert store.send(log, "--rejected", corrected).exit_code == 2
    assert "ann" in corrected.read_text()
    assert "1 stored" in store.send(corrected).output


def test_a_file_that_cannot_be_read_costs_no_other(store, tmp_path):
    good, strange, broken = tmp_path / "a.log", tmp_path / "b.txt", tmp_path / "c.log.gz"
    good.write_text(lines("/a"))
    strange.write_text("hello\n")
    broken.write_bytes(gzip.compress(lines("/b").encode())[:-40])
    (tmp_path / "d.json").write_text(CADDY)
    result = store.send(tmp_path, "--batch", 1)
    assert result.exit_code == 2
    assert f"Error: {strange}: The content of b.txt doesn't tell its format: add --format" in result.output
    assert f"Error: {broken}: Compressed file ended before" in result.output
    assert f"{tmp_path / 'd.json'} is read as Caddy's JSON log (--format caddy)." in result.output
    assert "4 files, 2 lines: 2 stored, 0 duplicates, 0 rejected." in result.output
    assert "2 of 4 files could not be read to their end." in result.output
    assert store.stored == 2


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("name", ["access.log", "access"])
def test_of_a_compressed_file_that_breaks_off_all_whole_lines_come(tmp_path, ending, name):
    file = tmp_path / f"{name}{ending}"
    content = lines(*(f"/{uuid.UUID(int=number**20 % 2**128)}" for number in range(3000))).encode()
    for length in (len(content), 800):
        file.write_bytes(COMPRESS[ending](content[:length]) + COMPRESS[ending](b"cut")[:-4])
        read: list[Item] = []
        batches = Input([str(file)], AUTO, EventIdMaker(), log_reader()).batches(1000)
        with pytest.raises(READ_ERRORS):
            read.extend(chain.from_iterable(batches))
        assert [item.entry.number for item in read] == [*range(1, content[:length].count(b"\n") + 1)]


def test_what_was_read_of_a_file_that_breaks_off_is_stored(store, tmp_path):
    file = tmp_path / "access.log.gz"
    file.write_bytes(gzip.compress(lines(*(f"/{number}" for number in range(1500))).encode())[:-6])
    result = store.send(file)
    assert result.exit_code == 2, result.output
    assert "Stopped after line 1,500: 1,500 stored, 0 duplicates, 0 rejected. Send the same file again" in result.output
    assert store.stored == 1500
    (tmp_path / "b.log").write_text(lines("/b"))
    assert "1 stored, 1,500 duplicates" in store.send(tmp_path).output


def test_lines_of_small_files_go_together(tmp_path):
    files = [tmp_path / f"{number}.log" for number in range(5)]
    for file in files:
        file.write_text(lines("/a", "/b", "/c"))
    batches = list(Input([*map(str, files)], AUTO, EventIdMaker(), log_reader()).batches(10))
    assert [len(batch) for batch in batches] == [10, 5]
    assert [(item.file, item.entry.number) for item in batches[0][2:5]] == [
        (str(files[0]), 3),
        (str(files[1]), 1),
        (str(files[1]), 2),
    ]


def test_a_batch_fits_into_a_request(tmp_path):
    file = tmp_path / "events.ndjson"  # events of logs are short
    event = {"user_id": "ann", "event_type": "view", "timestamp": NOON, "properties": {"text": "x" * 60_000}}
    ndjson(file, *[event] * 200)
    batches = list(Input([str(file)], AUTO, EventIdMaker(), log_reader()).batches(1000))
    sizes = [sum(len(item.entry.event) + 1 for item in batch if isinstance(item.entry, EventLine)) for batch in batches]
    assert sum(map(len, batches)) == 200
    assert max(sizes) <= MAX_BYTES < sum(sizes)


def test_lines_that_make_no_event_are_counted_and_cost_no_exit_code(store, tmp_path):
    file = tmp_path / "access.log"
    file.write_text(f'{CADDY}\n{{"level":"info","ts":1.5,"logger":"tls","msg":"cleaning"}}\n')
    result = store.send(file)
    assert result.exit_code == 0
    assert "\n2 lines: 1 stored, 0 duplicates, 1 left out, 0 rejected." in result.output
    assert "\n2 lines: 1 valid, 0 rejected; nothing is stored (dry run)" in store.send(file, "--dry-run").output


def test_trusted_proxies_are_an_option(store, tmp_path):
    file = tmp_path / "access.log"
    file.write_text(COMBINED + ' "203.0.113.9"\n')
    assert "1 stored" in store.send(file, "--trusted-hops", 1, "--users", "addresses").output
    assert store.rows("user_id") == [("203.0.113.9",)]


def test_the_files_that_arguments_name(tmp_path):
    names = ["b.log", "a.log.1", "sub/c.log", ".hidden", "sub/.git/x", "b.log.rejected.ndjson"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(*arguments: str) -> list[str]:
        return [
            file.removeprefix(f"{tmp_path}/") for file in find_files(tuple(f"{tmp_path}/{name}" for name in arguments))
        ]

    assert found("") == found("", "b.log") == ["a.log.1", "b.log", "sub/c.log"]
    assert found("b.log*") == ["b.log"]
    assert found("*.log*", "**/c.log") == ["a.log.1", "b.log", "sub/c.log"]
    assert found("s*b") == ["sub/c.log"]
    assert found("b.log.rejected.ndjson") == ["b.log.rejected.ndjson"]
    assert find_files(("-",)) == ["-"]
    for nothing, said in [
        ("*.csv", "there is no file"),
        ("x.log", "No such file"),
        ("sub/.git/y*", "there is no file"),
    ]:
        with pytest.raises(click.UsageError, match=said):
            found(nothing)


def test_it_needs_a_file():
    result = CliRunner().invoke(send, [])
    assert result.exit_code == 2
    assert "Missing argument 'FILE...'" in result.output
