"""`tracker migrate`: apply migrations, set the passwords of the roles, make partitions for the coming months."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import click
import psycopg
from psycopg import sql

from event_tracker.cli.database.bootstrap import (
    SCOPES,
    InvalidKeyError,
    register_token,
    register_write_key,
    revoke_replaced_tokens,
)
from event_tracker.cli.database.connection import database_connection, database_refusal, exclusive_lock
from event_tracker.cli.database.partitions import AHEAD, ensure_partitions
from event_tracker.cli.settings import MigrateSettings, read_settings
from event_tracker.core.postgres.migrate import apply_migrations


@click.command()
def migrate() -> None:
    """Bring a database up to date.

    Connects as the database's owner with DATABASE_URL, applies the migrations that are missing, makes partitions for
    this month and the next three, and sets the passwords in COLLECTOR_PASSWORD, QUERY_PASSWORD, CONTROL_PASSWORD,
    RELAY_PASSWORD and GRAFANA_PASSWORD, if they are given. MIGRATIONS_DIR names another folder of migrations.

    It lets in what else it is given, made elsewhere: ADMIN_TOKEN, which may do everything, and READ_TOKEN, each in place
    of the one before; WRITE_KEY beside others, for the source WRITE_KEY_SOURCE.

    Each of these may come from a file instead: DATABASE_URL_FILE, and so on. Safe to run again, and several times at once.
    """
    settings = read_settings(MigrateSettings)
    for line in bring_up_to_date(settings.database_url, settings.migrations_dir):
        click.echo(line)
    passwords = {
        "collector": settings.collector_password,
        "query": settings.query_password,
        "control": settings.control_password,
        "relay": settings.relay_password,
        "grafana": settings.grafana_password,
    }
    for role in set_passwords(settings.database_url, {role: given for role, given in passwords.items() if given}):
        click.echo(f"set the password of {role}")
    for line in register_keys(settings):
        click.echo(line)


def bring_up_to_date(database_url: str, migrations: Path) -> list[str]:
    """Apply the missing migrations and make the partitions. Return lines that say what was done."""
    with database_connection(database_url) as connection:
        try:
            applied = apply_migrations(database_url, migrations)
        except psycopg.Error as error:
            raise database_refusal(error) from error
        except FileNotFoundError as error:
            raise click.ClickException(f"{error} (MIGRATIONS_DIR names the folder)") from None
        with exclusive_lock(connection):
            made = ensure_partitions(connection, AHEAD)
    done = [f"applied {name}" for name in applied] or ["the schema is up to date"]
    return done + [f"made partition {name}" for name in made]


def set_passwords(database_url: str, passwords: Mapping[str, str]) -> list[str]:
    """Set the passwords of roles. Return the roles.

    Only a SCRAM verifier is sent: the password itself could get into the server's log.
    """
    with database_connection(database_url) as connection, exclusive_lock(connection):
        for role, password in passwords.items():
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))
    return list(passwords)


def register_keys(settings: MigrateSettings) -> Iterator[str]:
    """Register the tokens and the write key of the settings. Yield lines that say what was done.

    A revoked one stays revoked. That is only reported: it must not prevent the installation of a new version.
    """
    with database_connection(settings.database_url) as connection, exclusive_lock(connection):
        for name, token in (("ADMIN_TOKEN", settings.admin_token), ("READ_TOKEN", settings.read_token)):
            if token:
                yield from _register(name, partial(register_token, connection, name, token, SCOPES[name]))
                yield from (
                    f"revoked the {name} before it, {old}" for old in revoke_replaced_tokens(connection, name, token)
                )
        if settings.write_key:
            admit = partial(register_write_key, connection, settings.write_key_source, settings.write_key)
            yield from _register("WRITE_KEY", admit)


def _register(name: str, admit: Callable[[], str]) -> Iterator[str]:
    try:
        yield f"let in {name} {admit()}"
    except InvalidKeyError as error:
        yield f"{name} doesn't count: {error.message}"
