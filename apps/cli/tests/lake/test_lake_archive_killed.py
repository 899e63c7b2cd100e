"""Archiving and erasing that are killed at any step leave the rest to the next run, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest
from lake_files import files_with, rows

from event_tracker.cli.database.partitions import Month, make_partition

KILLED = """
import os, signal
from importlib import import_module
from event_tracker.cli.__main__ import main

module, name = {place!r}.split(":")
owner, step = name.split(".")
owner = getattr(import_module(module), owner)
whole, calls = getattr(owner, step), 0

def stop(*given, **named):
    global calls
    calls += 1
    result = whole(*given, **named)
    if calls == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, step, stop)
main()
"""

PUT = "event_tracker.core.storage.folder:FolderStorage.move"
DATABASE = "event_tracker.cli.lake.event_database:EventDatabase"

ARCHIVING = {
    "with the archive known to the database alone": (f"{DATABASE}.save_lake_id", 1),
    "with both sides knowing it": (PUT, 1),
    "with the day checked": ("event_tracker.cli.lake.archive:LakeArchive.check", 2),
    "in the transaction that deletes": (f"{DATABASE}.archive_day", 2),
}
"""Step → what it is killed after, and after which call."""

ERASING = {
    "with the manifest of the next file": (PUT, 1),
    "with the file in its place": (PUT, 2),
    "with its manifest": (PUT, 3),
    "with one day done": (f"{DATABASE}.move_archived", 1),
    "with all days done": (f"{DATABASE}.move_archived", 2),
}


@pytest.fixture
def tracker(postgres, database, tmp_path):
    """tracker("lake", "erase", …) runs a command as the owner, to its end or until it is killed after a step."""

    def call(*arguments, killed=None):
        program = (
            KILLED.format(place=killed[0], number=killed[1])
            if killed
            else "from event_tracker.cli.__main__ import main; main()"
        )
        environment = {**os.environ, "DATABASE_URL": postgres.url(database), "TMPDIR": str(tmp_path)}
        command = [sys.executable, "-c", program, *map(str, arguments)]
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
        assert ended.returncode == (-signal.SIGKILL if killed else 0), ended.stderr
        return ended.stdout.decode()

    return call


@pytest.mark.parametrize("step", ARCHIVING)
def test_archiving_that_is_killed_loses_no_event(run, tracker, stored, owner, target, step):
    make_partition(owner, Month(2026, 3))
    for day in range(2):
        stored.add(3, day=day)
    run("export", target)
    before = rows(target)
    maintain = ("maintain", "--keep", "30days", "--archive-first", target)
    tracker(*maintain, killed=ARCHIVING[step])
    assert owner.execute("select count(*) from events").fetchone() == (6,)
    assert owner.execute("select from archived_days").fetchall() == []
    assert "0 days written (0 events, 0 bytes), 0 removed, 2 unchanged" in run("export", target).output
    assert "freed 6 rows" in tracker(*maintain)
    assert "2 unchanged" in run("export", target).output
    assert rows(target) == before


@pytest.mark.parametrize("is_exported", [False, True], ids=["", "with an export between"])
@pytest.mark.parametrize("step", ERASING)
def test_erasing_that_is_killed_is_done_by_the_next_run(run, tracker, stored, owner, target, step, is_exported):
    """It keeps the ids until then. Whoever keeps copies of a file sees that each day's is another one, from its epoch."""
    for day in range(2):
        stored.add(3, day=day)
        stored.add(user_id="gone-7f3a", day=day)
    run("export", target)
    before = rows(target)
    tracker("maintain", "--keep", "30days", "--archive-first", target)
    owner.execute("insert into archive_erasures (user_id) values ('gone-7f3a')")
    tracker("lake", "erase", target, killed=ERASING[step])
    assert owner.execute("select count(*) from archive_erasures").fetchone() == (1,)
    if is_exported:
        # A file that is ahead of what the database knows of it is left alone.
        run("export", target, code=2 if step in ("with the file in its place", "with its manifest") else 0)
    tracker("lake", "erase", target)
    run("export", target)
    assert "2 unchanged" in run("export", target).output
    assert "0 differences" in run("verify", target, "--events").output
    assert files_with(target, "gone-7f3a") == []
    assert rows(target) == [row for row in before if "gone-7f3a" not in row]
    assert owner.execute("select from archive_erasures").fetchall() == []
    assert owner.execute("select epoch from archived_days").fetchall() == [(1,), (1,)]
    assert list(target.glob(".writing*")) == []
