"""`tracker send` when the collector is killed, gives no answer, or the sending is stopped."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
from ports import free_port
from sent_files import Store, ndjson, views
from servers import Postgres, Service
from waiting import eventually

Start = Callable[..., Service]


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
