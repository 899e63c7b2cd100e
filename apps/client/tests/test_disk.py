"""Events that wait in files: they outlast the process, and several processes share a folder."""

import os
import signal
import time
from collections import Counter

import pytest
from ports import free_port
from programs import run_program, start_program
from simulated_collector import read_number

from event_tracker.client import delivery, disk_queue
from event_tracker.client.disk_queue import DiskQueue
from event_tracker.client.memory_queue import QueueFullError

TRACK = """
client = Client(URL, "wk_contract", folder=ARGUMENTS[0])
for number in range(int(ARGUMENTS[1]), int(ARGUMENTS[2])):
    client.track("ann", "x", {"n": number})
print(client.stats.queued, flush=True)
"""
TRACK_AND_WAIT = TRACK + "time.sleep(300)"


def numbers_sent(collector):
    return Counter(read_number(event) for request in collector.requests for event in request.events)


def test_what_a_killed_process_left_is_delivered_by_the_next(simulate, make_client, tmp_path):
    process = start_program(TRACK_AND_WAIT, f"http://127.0.0.1:{free_port()}", tmp_path, 0, 2500)
    assert process.stdout.readline() == "2500\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list(tmp_path.iterdir())) == 3
    collector = simulate()
    client = make_client(collector, folder=tmp_path)
    assert client.flush(0) or client.flush(60)
    wait_for_stored(collector, 2500)
    client.close()
    assert set(numbers_sent(collector).values()) == {1}
    assert list(tmp_path.iterdir()) == []


def line_of(number):
    return b'{"user_id":"ann","event_id":"%d","properties":{"n":%d}}\n' % (number, number)


def wait_for_stored(collector, number, seconds=60):
    """The adopted files are found by the client's own thread."""
    deadline = time.monotonic() + seconds
    while len(collector.stored) < number:
        assert time.monotonic() < deadline, f"{len(collector.stored)} of {number} stored"
        time.sleep(0.02)


def test_closing_without_a_collector_leaves_them_and_reports_nothing(make_client, simulate, tmp_path):
    client = make_client(f"http://127.0.0.1:{free_port()}", folder=tmp_path)
    client.track("ann", "x", {"n": 0})
    assert not client.close(timeout_seconds=0.1)
    assert client.undelivered == []
    assert (client.stats.queued, client.stats.dropped) == (1, 0)
    collector = simulate()
    make_client(collector, folder=tmp_path)
    wait_for_stored(collector, 1)


def test_processes_share_a_folder_and_none_sends_what_another_has(simulate, make_client, tmp_path):
    collector = simulate(answers=[{"status": 503}] * 3)
    programs = [
        start_program(TRACK + "client.close(60)", collector.url, tmp_path, start, start + 700)
        for start in range(0, 2800, 700)
    ]
    for program in programs:
        _, errors = program.communicate(timeout=120)
        assert program.returncode == 0, errors
    assert set(collector.stored) == set(range(2800))
    assert list(tmp_path.iterdir()) == []
    resent = {number for request in collector.requests[:3] for number in map(read_number, request.events)}
    assert {number for number, times in numbers_sent(collector).items() if times > 1} <= resent


def test_a_last_line_that_was_broken_off_is_left_out(simulate, make_client, tmp_path, caplog):
    lines = [b'{"user_id":"ann","event_id":"%d","properties":{"n":%d}}' % (number, number) for number in range(3)]
    (tmp_path / "a.events").write_bytes(b"\n".join([lines[0], b"\0\0\0", lines[1], lines[2][:20]]))
    (tmp_path / "b.events").write_bytes(b'{"user_')
    (tmp_path / "empty.events").touch()
    collector = simulate()
    client = make_client(collector, folder=tmp_path)
    wait_for_stored(collector, 2)
    client.close()
    assert numbers_sent(collector) == {0: 1, 1: 1}
    assert list(tmp_path.iterdir()) == []
    assert "2 lines can't be read" in caplog.text


def test_what_isnt_a_file_of_its_own_is_skipped_with_one_warning(simulate, make_client, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(delivery, "SECONDS_BETWEEN_ADOPTIONS", 0.01)
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_bytes(line_of(9))
    (folder / "a.events").mkdir()
    (folder / "b.events").symlink_to(elsewhere)
    (folder / "c.events").symlink_to("c.events")
    os.mkfifo(folder / "d.events")
    (folder / "z.events").write_bytes(line_of(0))
    collector = simulate()
    client = make_client(collector, folder=folder)
    wait_for_stored(collector, 1)
    for number in (1, 2):
        (folder / f"z{number}.events").write_bytes(line_of(number))
        wait_for_stored(collector, number + 1)
    client.track("ann", "x", {"n": 3})
    assert client.flush(30)
    assert numbers_sent(collector) == {0: 1, 1: 1, 2: 1, 3: 1}
    assert elsewhere.exists()
    warned = [record.args[0].name for record in caplog.records if "isn't sent" in record.getMessage()]
    assert sorted(warned) == ["a.events", "b.events", "c.events", "d.events"]


def test_a_file_of_another_account_is_skipped(tmp_path, monkeypatch, caplog):
    """Also by root, which could open it: anybody could have put it there."""
    (tmp_path / "a.events").write_bytes(line_of(0))
    account = os.geteuid()
    queue = DiskQueue(tmp_path, 1000)
    monkeypatch.setattr(os, "geteuid", lambda: account + 1)
    queue.adopt()
    assert queue.waiting() == 0
    assert "isn't a regular file of this account" in caplog.text
    monkeypatch.setattr(os, "geteuid", lambda: account)
    queue.adopt()
    assert queue.waiting() == 1
    queue.close()


def test_the_folder_is_bounded_and_shared(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_queue, "SECONDS_BETWEEN_MEASUREMENTS", 0)
    one, two = (DiskQueue(tmp_path, 1000) for _ in range(2))
    for _ in range(4):
        one.put(b"x" * 99)
        two.put(b"x" * 99)
    one.put(b"x" * 99)
    two.put(b"x" * 99)
    with pytest.raises(QueueFullError, match="The folder has 1000 bytes already; 1000 are allowed"):
        two.put(b"x")
    assert two.waiting() == 5
    one.close()
    two.close()
    three = DiskQueue(tmp_path, 1000)
    three.adopt()
    while batch := three.take():
        three.remove(batch)
    three.put(b"x" * 99)
    three.close()


def test_an_event_that_cannot_be_written_is_dropped_and_the_others_arrive(simulate, tmp_path):
    """The kernel writes a part of the line that exceeds the limit on a file's size."""
    program = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    undelivered = []
    client = Client(URL, "wk_contract", folder=ARGUMENTS[0], on_error=undelivered.append, interval_seconds=60)
    for number in range(25):
        if number == 20:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        client.track("ann", "x", {"n": number})
    assert client.close(60)
    print(len(undelivered), {one.code for one in undelivered}, client.stats.delivered + client.stats.dropped)
    """
    collector = simulate()
    dropped, code, all_of_them = run_program(program, collector.url, tmp_path).split()
    assert (code, all_of_them) == ("{'queue_full'}", "25")
    assert 0 < int(dropped) == 25 - len(collector.stored)
    assert {20, 21, 22, 23, 24} < set(collector.stored)
    assert set(numbers_sent(collector).values()) == {1}


def test_files_are_for_nobody_else(make_client, tmp_path):
    client = make_client(f"http://127.0.0.1:{free_port()}", folder=tmp_path / "new" / "events")
    client.track("ann", "x")
    (file,) = (tmp_path / "new" / "events").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
