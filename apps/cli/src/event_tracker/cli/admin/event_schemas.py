"""`tracker schema`: the event schemas of sources."""

import json
from typing import IO

import click

from event_tracker.cli.admin.requests import Admin, json_option, print_items, quote_part, with_admin
from event_tracker.cli.command_group import Group

COLUMNS = [
    ("source", "source"), ("mode", "mode"), ("event type", "event_type"), ("version", "version"), ("since", "created_at"),
    ("set aside until", "set_aside_until"),
]  # fmt: skip


@click.group(cls=Group)
def schema() -> None:
    """Event schemas: what the properties of a source's events must be, by event type (JSON Schema 2020-12).

    `tracker source set NAME --schema-mode` says what becomes of events that violate theirs.
    """


@schema.command("set")
@click.argument("source")
@click.argument("event_type")
@click.argument("file", type=click.File("rb"))
@with_admin
def set_schema(admin: Admin, source: str, event_type: str, file: IO[bytes]) -> None:
    """Make the schema in FILE (- is standard input) the newest version for a source's events of a type.

    It is refused if it isn't one, or could make events slow. Collectors take it over within two seconds.
    """
    try:
        read = json.load(file)
    except ValueError as error:
        raise click.ClickException(f"{file.name} isn't JSON: {error}") from None
    done = admin.ask("PUT", f"sources/{quote_part(source)}/schemas", {"event_type": event_type, "schema": read})
    says = "set" if done["is_new"] else "this already is"
    click.echo(f"{says} version {done['version']} of the schema of {event_type} of source {source}")


@schema.command("list")
@click.argument("source", required=False)
@json_option
@with_admin
def list_schemas(admin: Admin, source: str | None, as_json: bool) -> None:
    """List the event types that have a schema, of one source or of all."""
    print_items(admin.items_of_sources(source, "schemas"), COLUMNS, as_json=as_json)


@schema.command("show")
@click.argument("source")
@click.argument("event_type")
@click.option("--version", type=click.IntRange(1), help="Which one; the newest unless it is given.")
@with_admin
def show_schema(admin: Admin, source: str, event_type: str, version: int | None) -> None:
    """Print a schema as JSON."""
    params = {"event_type": event_type, **({"version": version} if version else {})}
    found = next(iter(admin.items(f"sources/{quote_part(source)}/schemas", **params)), None)
    if not found:
        raise click.ClickException(f"source {source} has no such schema; `tracker schema list` shows them")
    click.echo(json.dumps(found["schema"], indent=2, ensure_ascii=False))


@schema.command()
@click.argument("source")
@click.argument("event_type")
@click.option("--sample", type=click.IntRange(1, 50_000), default=5000, show_default=True, help="How many events.")
@with_admin
def infer(admin: Admin, source: str, event_type: str, sample: int) -> None:
    """Print a schema that a source's newest events of a type fit, as a proposal.

    To be read and mended before it is set: it says what these events have in common, not what they mean.
    """
    found = admin.ask("GET", f"sources/{quote_part(source)}/schemas/proposal", event_type=event_type, sample=sample)
    click.echo(json.dumps(found["schema"], indent=2, ensure_ascii=False))
    click.echo(f"made from {found['events']:,} events", err=True)
