"""What is damaged is written again; what can't be written keeps nothing else waiting."""

import signal

import duckdb
import pytest

from event_tracker.cli.lake.event_database import describe
from event_tracker.cli.lake.parquet_writer import ParquetWriter
from event_tracker.core.storage.files import StorageError
from event_tracker.core.storage.folder import FolderStorage


@pytest.fixture
def target(tmp_path):
    return tmp_path / "lake"


@pytest.mark.parametrize("damage", ["other size", "no file", "no manifest", "torn manifest", "another schema"])
def test_what_is_lost_or_torn_is_written_again(run, stored, target, damage):
    stored.add(3)
    stored.add(3, day=1)
    run("export", target)
    day = target / "events/day=2026-03-01"
    before = (day / "part-0.parquet").read_bytes()
    match damage:
        case "other size":
            (day / "part-0.parquet").write_bytes(before[:-1])
        case "no file":
            (day / "part-0.parquet").unlink()
        case "no manifest":
            (day / "_manifest.json").unlink()
        case "torn manifest":
            (day / "_manifest.json").write_bytes((day / "_manifest.json").read_bytes()[:100])
        case _:
            text = (day / "_manifest.json").read_text()
            (day / "_manifest.json").write_text(text.replace('"schema": 1', '"schema": 0'))
    run("verify", target, code=1)
    assert "1 days written (3 events" in run("export", target).output
    assert (day / "part-0.parquet").read_bytes() == before
    run("verify", target)


def test_a_day_that_cannot_be_written_keeps_no_other_waiting(run, stored, target, monkeypatch):
    stored.add()
    stored.add(day=1)
    write = ParquetWriter.write_events

    def fail_once(*given):
        monkeypatch.setattr(ParquetWriter, "write_events", write)
        raise duckdb.IOException("about ann@example.com")

    monkeypatch.setattr(ParquetWriter, "write_events", fail_once)
    said = run("export", target, code=2).output
    assert "can't write 2026-03-01: DuckDB: IOException" in said
    assert "ann@" not in said
    assert "1 days written (1 events" in said
    assert "1 failed" in said


@pytest.mark.parametrize(
    "error", [StorageError("AccessDenied of it", "access"), FileNotFoundError("NoSuchKey"), OSError(28, "No space")]
)
@pytest.mark.parametrize("call", [2, 6], ids=["a day", "the links"])
def test_an_error_of_the_target_stops_no_other_file_and_the_outcome_is_said(
    run, stored, target, monkeypatch, error, call
):
    stored.add()
    stored.add(day=1)
    move = FolderStorage.move
    calls = []

    def fail_once(*given):
        calls.append(given)
        if len(calls) == call:
            raise error
        return move(*given)

    monkeypatch.setattr(FolderStorage, "move", fail_once)
    said = run("export", target, code=2).output
    assert f"can't write {'2026-03-01' if call == 2 else 'links'}: {describe(error)}" in said
    assert said.endswith("0 removed, 0 unchanged, 1 failed\n")
    assert ("1 days" if call == 2 else "2 days") in said
    assert (target / "events/day=2026-03-02/_manifest.json").exists()
    assert (target / "persons").exists() == (call == 2)
    run("export", target)
    run("verify", target)


def test_an_export_that_is_interrupted_leaves_nothing_beside_what_is_done(run, stored, target, monkeypatch):
    stored.add()
    with monkeypatch.context() as patch:
        patch.setattr(ParquetWriter, "write_links", lambda *_: signal.raise_signal(signal.SIGINT))
        said = run("export", target, code=2).output
    assert "Interrupted. Run it again: what was done stays." in said
    assert "1 days written (1 events" in said
    assert not (target / ".writing").exists()
    assert "0 days written (0 events, 0 bytes), 0 removed, 1 unchanged" in run("export", target).output
