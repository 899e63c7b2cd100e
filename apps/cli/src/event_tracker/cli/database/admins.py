"""`tracker admin`: create the first admin, who may then create all other people."""

import re
import sys
from pathlib import Path
from typing import TextIO

import click
import psycopg

from event_tracker.cli.command_group import Group
from event_tracker.cli.database.bootstrap import QUERIES
from event_tracker.cli.database.connection import database_connection, find_database_url
from event_tracker.cli.options import running_option
from event_tracker.core.secrets.passwords import LEAST_CHARACTERS, MAX_CHARACTERS, hash_password, make_password

NAME = re.compile(r"(?!(owner|anyone|rt_[0-9a-f]{10})\Z)[a-z0-9][a-z0-9._@+-]{0,99}")
"""A person's name. It must not be a name that the audit log uses for anything but people."""

LOCAL_ADMIN = "admin"
"""The admin for whom `tracker up` makes a password at each start."""


class PersonName(click.ParamType[str]):
    """A person's name. The table has the same rule, except for the names that the audit log uses otherwise."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not NAME.fullmatch(value):
            self.fail(
                f"{value!r} must be lower-case letters, digits and . _ @ + -, at most 100, and not what others are called (owner, anyone)",
                param,
                ctx,
            )
        return value


@click.group(cls=Group)
def admin() -> None:
    """Admins: people who may sign in and manage everything."""


@admin.command()
@click.argument("name", type=PersonName())
@click.option(
    "--password-file",
    type=click.File(),
    metavar="FILE",
    help="The password is this file's first line; - is the standard input. Without it the command prompts for it.",
)
@running_option
def create(name: str, password_file: TextIO | None, data: Path | None) -> None:
    """Make an admin: the first one, who then makes all the others, or another one when no admin can sign in any more.

    The command prompts for the password, or reads it from a file or the standard input. It takes 12 characters or more; a few words that
    have no common meaning are enough.
    """
    url = find_database_url(data)
    password_hash = hash_password(_checked(_read_password(password_file)))
    with database_connection(url) as connection:
        given = {"name": name, "password_hash": password_hash}
        if not connection.execute(QUERIES["create_admin"], given).fetchall():
            raise click.ClickException(f"a person named {name} exists already; choose another name")
    click.echo(f"made the admin {name}")


def offer_sign_in(connection: psycopg.Connection) -> str | None:
    """Make a password for one sign-in as the admin of `tracker up`. It replaces the previous one.

    Whoever signed in with the previous one and hasn't set a password yet is signed out. Otherwise they could set a password
    that replaces this one.

    Returns:
        The password, or None if the admin has set one.
    """
    password = make_password()
    given = {"name": LOCAL_ADMIN, "password_hash": hash_password(password)}
    with connection.transaction():
        if not connection.execute(QUERIES["offer_sign_in"], given).fetchall():
            return None
        # A separate statement: it also sees a sign-in that was under way with the previous password.
        connection.execute(QUERIES["end_sign_ins"], {"name": LOCAL_ADMIN})
    return password


def _read_password(file: TextIO | None) -> str:
    """Read the password from the file, or ask for it if standard input is a terminal."""
    if file is None and sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return password
    return (file or sys.stdin).readline().rstrip("\r\n")


def _checked(password: str) -> str:
    if not LEAST_CHARACTERS <= len(password) <= MAX_CHARACTERS or "\0" in password:
        raise click.ClickException(f"a password takes {LEAST_CHARACTERS} to {MAX_CHARACTERS} characters")
    return password
