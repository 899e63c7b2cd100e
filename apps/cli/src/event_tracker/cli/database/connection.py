"""The connection to the database, for `up`, `migrate`, `maintain` and `admin` as its owner, and for `lake` also as `query`."""

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
"""Settings for a command that is killed, or whose machine fails: its locks are released soon."""

LOCK = 7_311_142_570_157_092_461
"""Advisory lock: one command at a time changes partitions, folds counts or sets passwords. (Migrations have their own lock.)"""


def find_database_url(data: Path | None) -> str:
    """DATABASE_URL, or the owner's URL of the embedded server on the data folder.

    Args:
        data: the data folder; None finds it.

    Raises:
        ClickException: if there is neither.
    """
    folder = data or find_folder() or Path(DEFAULT).resolve()
    url = read_settings(MaintainSettings).database_url or running_url(folder)
    if not url:
        raise click.ClickException(
            f"DATABASE_URL isn't set, and no `tracker up` runs on {folder} (--data names another)"
        )
    return url


@contextmanager
def database_connection(database_url: str) -> Iterator[psycopg.Connection]:
    """Open an autocommit connection in UTC. An error of the database becomes one line for the terminal."""
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
    """Hold the lock LOCK: wait for other commands that hold it, and make others wait."""
    connection.execute("select pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", [LOCK])


def database_refusal(error: psycopg.Error) -> click.ClickException:
    """PostgreSQL's error, as one line for the terminal."""
    return click.ClickException(f"the database refused: {_one_line(error)}")


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
