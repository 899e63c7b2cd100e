"""`tracker rejections`: events that were refused, and another try for them."""

from pathlib import Path
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.table import Table

from manage.rejections import count_rejections, list_rejections, request_replay
from tracker.folder import data_option
from tracker.owner import database_of, owner_connection

source_option = click.option("--source", help="Of this source only.")
reason_option = click.option("--reason", help="With this code only, such as schema_violation.")
type_option = click.option("--type", "event_type", help="Of this event type only.")


@click.group()
def rejections() -> None:
    """Refused events: what sources sent that was no event, or violated its schema."""


@rejections.command("list")
@source_option
@reason_option
@type_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@data_option
def list_refused(source: str | None, reason: str | None, event_type: str | None, limit: int, data: Path) -> None:
    """Print refused events, the newest first: one JSON object a line, with the payload as it was sent."""
    with owner_connection(database_of(data)) as connection:
        sources = [source] if source else None
        for found in list_rejections(connection, sources, reason=reason, event_type=event_type, limit=limit):
            click.echo(msgspec.json.encode(found._asdict()))


@rejections.command()
@source_option
@data_option
def count(source: str | None, data: Path) -> None:
    """Count refused events by source, event type and reason."""
    table = Table("source", "event type", "reason", "events", "to be replayed", "first", "last")
    with owner_connection(database_of(data)) as connection:
        for found in count_rejections(connection, [source] if source else None):
            table.add_row(
                found.source,
                found.event_type or "-",
                found.reason,
                f"{found.events:,}",
                f"{found.waiting:,}",
                f"{found.first:%Y-%m-%d %H:%M:%S}",
                f"{found.last:%Y-%m-%d %H:%M:%S}",
            )
    Console().print(table)


@rejections.command()
@click.argument("source")
@reason_option
@type_option
@click.option("--id", "ids", type=click.UUID, multiple=True, help="This one only; repeatable.")
@data_option
def replay(source: str, reason: str | None, event_type: str | None, ids: tuple[UUID, ...], data: Path) -> None:
    """Have a source's refused events tried again, once its schema or the collector is mended.

    Collectors begin within two seconds. What is stored then is no longer listed; what is refused again is, with the new reason.
    """
    with owner_connection(database_of(data)) as connection:
        asked = request_replay(connection, source, reason=reason, event_type=event_type, ids=ids or None)
    click.echo(f"{asked:,} events of source {source} will be tried again")
