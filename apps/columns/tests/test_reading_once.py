"""A question reads new rows in the snapshot in which it finds that they are missing, and writes those of one source once."""

from functools import wraps

import pytest
from stored import BY_DAY, EVERYTHING

from event_tracker.columns.loading import loader
from event_tracker.columns.loading.rows import reader


@pytest.fixture
def calls(monkeypatch):
    """The names of the functions below that were called."""
    called = []

    def count(module, name):
        function = getattr(module, name)

        @wraps(function)
        def counted(*given, **named):
            called.append(name)
            return function(*given, **named)

        monkeypatch.setattr(module, name, counted)

    count(loader, "in_snapshot")
    count(reader, "write_parquet")
    return called


def test_rows_of_one_source_are_read_in_one_snapshot_and_written_once(stored, engine, calls):
    stored.add(300)
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == stored.rows()
    assert calls == ["in_snapshot"]


def test_rows_of_two_sources_are_read_in_one_snapshot_too(stored, engine, calls):
    stored.add(300)
    stored.add(300, source="shop")
    assert engine.run(EVERYTHING, BY_DAY, {}).rows == stored.rows()
    assert calls == ["in_snapshot", "write_parquet"]


def test_a_question_that_waits_for_another_one_takes_a_snapshot_of_its_own_afterwards(stored, engine, calls):
    """It may be about the same rows, which are on the disk then."""
    stored.add(300)
    with engine._loader._single_flight():
        assert engine.run(EVERYTHING, BY_DAY, {}).rows == stored.rows()
    assert calls == ["in_snapshot", "in_snapshot"]
