"""The database as its owner sees it: the connection of `up`, `migrate` and `maintain`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg

from event_tracker.cli.local.data_folder import DEFAULT
from event_tracker.cli.local.embedded import running_url
from event_tracker.cli.local.running import find_folder
from event_tracker.cli.settings import MaintainSettings, read_settings

CONNECT_SECONDS = 10

CLIENT_GONE = {"client_connection_check_interval": "1s", "idle_in_transaction_session_timeout": "60s"}
"""A command that is killed, or whose machine vanishes, doesn't hold its locks until its statement is done, or for hours."""

LOCK = 7_311_142_570_157_092_461
"""Advisory lock: one owner at a time changes partitions, folds counts or sets passwords. (Migrations have their own.)"""


def find_database_url(data: Path | None) -> str:
    """The owner's URL: DATABASE_URL, or that of the embedded server on this data folder; without one on the folder that is found."""
    folder = data or find_folder() or Path(DEFAULT).resolve()
    url = read_settings(MaintainSettings).database_url or running_url(folder)
    if not url:
        raise click.ClickException(
            f"DATABASE_URL isn't set, and no `tracker up` runs on {folder} (--data names another)"
        )
    return url


@contextmanager
def owner_connection(database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection in UTC. What the database refuses becomes one line for the terminal."""
    try:
        connection = psycopg.connect(
            database_url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="tracker"
        )
    except psycopg.Error as error:
        raise click.ClickException(f"can't connect to DATABASE_URL: {_one_line(error)}") from error
    with connection:
        try:
            for name, value in {"timezone": "UTC", **CLIENT_GONE}.items():
                connection.execute("select set_config(%s, %s, false)", [name, value])
            yield connection
        except psycopg.Error as error:
            raise database_refusal(error) from error


@contextmanager
def exclusive_lock(connection: psycopg.Connection) -> Iterator[None]:
    """Wait until no other owner's command is at it, and keep others waiting meanwhile."""
    connection.execute("select pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", [LOCK])


def database_refusal(error: psycopg.Error) -> click.ClickException:
    """What PostgreSQL didn't want to do, as one line."""
    return click.ClickException(f"the database refused: {_one_line(error)}")


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
