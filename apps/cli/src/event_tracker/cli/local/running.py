"""The URLs and secrets of a running `tracker up`, which other commands read from files in its data folder."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from event_tracker.cli.local.data_folder import DEFAULT, VARIABLE, is_locked

URLS_FILE = "urls.json"
TOKEN_FILE = "admin-token"  # noqa: S105
"""The file with a token that has every scope."""

KEY_FILE = "write-key"


class Running(msgspec.Struct):
    """The services of a running `tracker up`.

    Attributes:
        collector, query: their URLs.
        token, write_key: valid secrets for them; None if there is no such file.
    """

    collector: str
    query: str
    token: str | None = None
    write_key: str | None = None


@contextmanager
def announce_urls(data: Path, urls: Mapping[str, str]) -> Iterator[None]:
    """Keep the services' URLs in a file in the data folder while they run."""
    file = data / URLS_FILE
    file.write_bytes(msgspec.json.encode(urls))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find_folder() -> Path | None:
    """Find the data folder: TRACKER_DATA, or `.data` in the current folder or the nearest one above it.

    `.data` counts only if it belongs to the same account. Somebody else's could send events and tokens to another place.
    """
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE])
    here = Path.cwd()
    return next((one / DEFAULT for one in (here, *here.parents) if _is_ours(one / DEFAULT / URLS_FILE)), None)


def find_shadowed(data: Path) -> tuple[Path, Running] | None:
    """Find another `tracker up` that commands in this folder find and use now. Returns its data folder and its services.

    Args:
        data: the data folder of the `tracker up` that is about to start.
    """
    folder = find_folder()
    if folder is None or folder.resolve() == data or not is_locked(folder):
        return None
    running = find_running(None)
    return (folder, running) if running else None


def find_running(data: Path | None) -> Running | None:
    """The services that run on the data folder; None if none run.

    Args:
        data: the data folder; None finds it.

    Raises:
        ClickException: if a folder is given and nothing runs on it.
    """
    folder = data or find_folder()
    if folder is None:
        return None
    try:
        running = msgspec.json.decode((folder / URLS_FILE).read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        if data:
            raise click.ClickException(f"no `tracker up` runs on {data}") from None
        return None
    running.token, running.write_key = _read_secret(folder / TOKEN_FILE), _read_secret(folder / KEY_FILE)
    return running


def _is_ours(file: Path) -> bool:
    try:
        return file.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _read_secret(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
