"""`tracker schema`: what the properties of a source's events must be."""

import json
from pathlib import Path
from typing import IO

import click
from rich.console import Console
from rich.table import Table

from manage import schemas
from manage.schema_rules import InvalidSchemaError
from tracker.folder import data_option
from tracker.owner import database_of, owner_connection


@click.group()
def schema() -> None:
    """Event schemas: what the properties of a source's events must be, by event type (JSON Schema 2020-12).

    `tracker source set NAME --schema-mode` says what becomes of events that violate theirs.
    """


@schema.command("set")
@click.argument("source")
@click.argument("event_type")
@click.argument("file", type=click.File("rb"))
@data_option
def set_schema(source: str, event_type: str, file: IO[bytes], data: Path) -> None:
    """Make the schema in FILE (- is standard input) the newest version for a source's events of a type.

    It is refused if it isn't one, or could make events slow. Collectors take it over within two seconds.
    """
    try:
        read = json.load(file)
    except ValueError as error:
        raise click.ClickException(f"{file.name} isn't JSON: {error}") from None
    with owner_connection(database_of(data)) as connection:
        try:
            done = schemas.set_schema(connection, source, event_type, read)
        except InvalidSchemaError as error:
            raise click.ClickException(f"this schema can't be taken: {error}") from None
        except schemas.NoSuchSourceError:
            raise click.ClickException(
                f"there is no source {source}; make it with `tracker source set {source}`"
            ) from None
    says = "set" if done.is_new else "this already is"
    click.echo(f"{says} version {done.version} of the schema of {event_type} of source {source}")


@schema.command("list")
@click.argument("source", required=False)
@data_option
def list_schemas(source: str | None, data: Path) -> None:
    """List the event types that have a schema, of one source or of all."""
    table = Table("source", "mode", "event type", "version", "since")
    with owner_connection(database_of(data)) as connection:
        for found in schemas.list_schemas(connection, [source] if source else None):
            table.add_row(found.source, found.mode, found.event_type, str(found.version), str(found.created_at))
    Console().print(table)


@schema.command()
@click.argument("source")
@click.argument("event_type")
@click.option("--version", type=click.IntRange(1), help="Which one; the newest unless it is given.")
@data_option
def show(source: str, event_type: str, version: int | None, data: Path) -> None:
    """Print a schema as JSON."""
    with owner_connection(database_of(data)) as connection:
        found = schemas.find_schema(connection, source, event_type, version)
    if not found:
        raise click.ClickException(f"source {source} has no such schema; `tracker schema list` shows them")
    click.echo(json.dumps(found.schema, indent=2, ensure_ascii=False))
