"""Files on the local disk are a copy: whatever happens to them, answers stay right, and what is erased is gone."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest
from stored import BY_DAY, DAY, EVERYTHING

from event_tracker.columns.loading.cache import Cache, Lease
from event_tracker.core.http.errors import Problem


def ask(engine, selection=EVERYTHING, statement=BY_DAY):
    return engine.run(selection, statement, {}, explain=True)


def files(engine):
    return sorted(engine._cache.folder.glob("*.parquet"))


def tear(path):
    path.write_bytes(path.read_bytes()[:-20])


def tear_silently(path):
    """Size, time and inode are those of before."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(status.st_size // 2)
        file.write(b"\0" * (status.st_size - status.st_size // 2))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_by_another(path):
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * replace ('eve' as user_id) from read_parquet('{path}')) to '{path}.new' (format parquet)"
        )
    os.replace(f"{path}.new", path)


@pytest.mark.parametrize("spoil", [tear, tear_silently, replace_by_another, os.unlink])
@pytest.mark.parametrize("built", [True, False])
def test_a_spoilt_file_is_read_again(stored, engine, spoil, built):
    stored.add(300)
    if built:
        stored.build()
    ask(engine)
    (path,) = files(engine)
    spoil(path)
    assert ask(engine).rows == stored.rows()
    assert ask(engine).rows == stored.rows()
    assert len(files(engine)) == 1


def test_a_folder_that_was_deleted_is_made_again(stored, engine):
    stored.add(300)
    stored.build(0, end=12)
    ask(engine)
    shutil.rmtree(engine._cache.folder)
    assert ask(engine).rows == stored.rows()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 and then something else PAR1"])
def test_a_block_that_cant_be_read_is_read_from_rows(stored, engine, owner, content):
    stored.add(300)
    stored.build()
    owner.execute("update blocks set parquet = %s", [content])
    result = ask(engine)
    assert result.rows == stored.rows()
    assert result.plan.rows_read == 300


def test_a_block_with_too_few_events_is_read_from_rows(stored, engine, owner):
    stored.add(300)
    stored.add(10, day=1)
    stored.build()
    stored.build(1)
    owner.execute("update blocks set parquet = (select parquet from blocks order by start desc limit 1)")
    assert ask(engine).rows == stored.rows()


def test_only_the_own_account_may_read_the_folder(engine):
    for folder in (engine._cache.folder, engine._cache.folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_least_recently_used_go_first(stored, open_engine):
    for day in range(4):
        stored.add(200, day=day)
        stored.build(day)
    days = [replace(EVERYTHING, start=DAY + timedelta(days=day), end=DAY + timedelta(days=day + 1)) for day in range(4)]
    probe = open_engine()
    ask(probe, days[0])
    size = files(probe)[0].stat().st_size
    engine = open_engine(cache_bytes=size * 5)  # three quarters of it are for files, of which three have room
    for day in days * 2:
        assert ask(engine, day).rows == stored.rows(selection=day)
        assert sum(path.stat().st_size for path in files(engine)) <= size * 5 // 4 * 3
    assert [ask(engine, days[day]).plan.blocks_fetched for day in (3, 2, 0, 3)] == [0, 0, 1, 0]


def test_files_in_use_stay(tmp_path):
    cache = Cache(tmp_path / "cache", 100)
    content = b"PAR1" + b"x" * 32 + b"\0\0\0\0PAR1"
    first, second = Lease(cache), Lease(cache)
    assert cache.write("a", lambda path: path.write_bytes(content), first)
    assert cache.write("b", lambda path: path.write_bytes(content), second)
    with pytest.raises(Problem) as refusal:
        cache.write("c", lambda path: path.write_bytes(content), second)
    assert (refusal.value.status, refusal.value.code) == (503, "cache_too_small")
    assert cache.names == ["a", "b"]
    first.end()
    assert cache.write("c", lambda path: path.write_bytes(content), second)
    assert cache.names == ["b", "c"]
    cache.close()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_question_that_needs_more_than_the_bound_is_refused_and_the_next_answered(stored, open_engine):
    for day in range(4):
        stored.add(200, day=day)
        stored.build(day)
    engine = open_engine(cache_bytes=24_000)
    with pytest.raises(Problem) as refusal:
        ask(engine)
    assert (refusal.value.status, refusal.value.code) == (503, "cache_too_small")
    one = replace(EVERYTHING, end=DAY + timedelta(days=1))
    assert ask(engine, one).rows == stored.rows(selection=one)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"FULL DISK NOT TESTED, no tmpfs can be mounted: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("built", [True, False])
def test_a_full_disk(stored, open_engine, small_disk, built):
    stored.add(300)
    if built:
        stored.build()
    engine = open_engine(small_disk / "cache")
    other = small_disk / "other"
    with pytest.raises(OSError, match="No space left"):
        other.write_bytes(bytes(3 * 2**20))
    with pytest.raises(Problem) as refusal:
        ask(engine)
    assert (refusal.value.status, refusal.value.code) == (503, "disk_full")
    other.unlink()
    assert ask(engine).rows == stored.rows()


def test_a_full_disk_has_room_when_files_that_arent_used_are_deleted(stored, open_engine, small_disk):
    for day in range(2):
        stored.add(300, day=day)
        stored.build(day)
    engine = open_engine(small_disk / "cache")
    one, two = (
        replace(EVERYTHING, start=DAY + timedelta(days=day), end=DAY + timedelta(days=day + 1)) for day in range(2)
    )
    ask(engine, one)
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "other").write_bytes(bytes(3 * 2**20))
    assert ask(engine, two).rows == stored.rows(selection=two)
    assert len(files(engine)) == 1


LEFT_BEHIND = """
import sys, time
from pathlib import Path
from event_tracker.columns.loading.cache import Cache, Lease
cache = Cache(Path(sys.argv[1]), 1000)
cache.path("a").write_bytes(b"secret")
print("ready", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_left_is_deleted_and_that_of_others_kept(stored, open_engine, tmp_path):
    stored.add(300)
    folder = tmp_path / "cache"
    other = open_engine()
    ask(other)
    with subprocess.Popen([sys.executable, "-c", LEFT_BEHIND, folder], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert len(list(folder.glob("*/a.parquet"))) == 1
        open_engine()
        assert len(list(folder.glob("*/a.parquet"))) == 1
        process.send_signal(signal.SIGKILL)
    engine = open_engine()
    assert list(folder.glob("*/a.parquet")) == []
    assert (
        len(list(folder.glob("process-*.lock")))
        == len([path for path in folder.glob("process-*") if path.is_dir()])
        == 3
    )
    assert ask(other).plan.rows_read == 0
    assert ask(engine).rows == stored.rows()


def test_what_is_erased_leaves_the_disk(stored, engine, owner):
    stored.add(100, user_id="ann")
    stored.add(100, day=1, user_id="ann")
    stored.add(100, day=2, user_id="bob")
    stored.build()
    ask(engine)
    engine.refresh()
    assert len(files(engine)) == 2
    owner.execute("delete from events where user_id = 'ann'")
    engine.refresh()
    assert files(engine) == []
    ask(engine)
    assert len(files(engine)) == 1
    assert ask(engine).rows == stored.rows()


def test_rows_of_a_question_that_ended_too_early_leave_the_disk(engine):
    """Nothing tells whether they were erased."""
    content = b"PAR1" + b"x" * 32 + b"\0\0\0\0PAR1"
    lease = Lease(engine._cache)
    engine._cache.write("rows-1", lambda path: path.write_bytes(content), lease)
    engine.refresh()
    assert len(files(engine)) == 1
    lease.end()
    engine.refresh()
    assert files(engine) == []
