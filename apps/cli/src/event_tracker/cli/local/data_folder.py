"""The data folder of `tracker up`: the embedded server's data, the logs, and the lock that prevents a second start."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

DEFAULT = ".data"
VARIABLE = "TRACKER_DATA"

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, resolve_path=True),
    default=DEFAULT,
    envvar=VARIABLE,
    show_default=True,
    show_envvar=True,
    help="Folder of the embedded PostgreSQL's data, and of the logs. Made if it isn't there, for one's own account; kept at the end.",
)


def is_locked(path: Path) -> bool:
    """Whether a `tracker up` runs on the folder. One that was killed leaves its files there, but not its lock."""
    try:
        with (path / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@contextmanager
def locked_folder(path: Path) -> Iterator[Path]:
    """Create the folder and hold its lock. The lock is released when this process ends, even if it is killed."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        logs = path / "logs"
        logs.mkdir(exist_ok=True)
        logs.chmod(0o700)  # an older release let all accounts read them
        lock = (path / "lock").open("a+")
    except OSError as error:
        raise click.ClickException(
            f"can't write to the data folder {path}: {error.strerror} (--data chooses another)"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise click.ClickException(
                f"`tracker up` already runs on {path} (process {holder}): stop it, or choose another folder with --data"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield path
