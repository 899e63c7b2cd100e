"""`tracker rejections`: list, count and replay events that were refused."""

from typing import Any
from uuid import UUID

import click
import msgspec

from event_tracker.cli.admin.requests import Admin, json_option, print_items, with_admin
from event_tracker.cli.command_group import Group

COLUMNS = [
    ("source", "source"), ("event type", "event_type"), ("reason", "reason"), ("events", "events"),
    ("to be replayed", "waiting"), ("first", "first"), ("last", "last"),
]  # fmt: skip

source_option = click.option("--source", help="Of this source only.")
reason_option = click.option("--reason", help="With this code only, such as schema_violation.")
type_option = click.option("--type", "event_type", help="Of this event type only.")


@click.group(cls=Group)
def rejections() -> None:
    """Refused events: what sources sent that was no event, or violated its schema."""


@rejections.command("list")
@source_option
@reason_option
@type_option
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@with_admin
def list_refused(admin: Admin, limit: int, **filters: Any) -> None:
    """Print refused events, the newest first: one JSON object a line, with the payload as it was sent."""
    for found in admin.newest("rejections", limit, **_without_none(filters)):
        click.echo(msgspec.json.encode(found))


@rejections.command()
@source_option
@json_option
@with_admin
def count(admin: Admin, source: str | None, as_json: bool) -> None:
    """Count refused events by source, event type and reason."""
    print_items(admin.items("rejections/counts", **_without_none({"source": source})), COLUMNS, as_json=as_json)


@rejections.command()
@click.argument("source")
@reason_option
@type_option
@click.option("--id", "ids", type=click.UUID, multiple=True, help="This one only; repeatable.")
@with_admin
def replay(admin: Admin, source: str, reason: str | None, event_type: str | None, ids: tuple[UUID, ...]) -> None:
    """Have a source's refused events tried again, once its schema or the collector is mended.

    Collectors begin within two seconds. What is stored then is no longer listed; what is refused again is, with the new reason.
    """
    selection = {"source": source, "reason": reason, "event_type": event_type, "ids": [str(one) for one in ids] or None}
    events = admin.ask("POST", "rejections/replay", selection)["events"]
    click.echo(f"{events:,} events of source {source} will be tried again")


def _without_none(filters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}
