"""The commands `tracker events` and `tracker top-types`."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from event_tracker.cli.ask.filters import filter_option
from event_tracker.cli.ask.user_events import EventFollower, ReadsEvents, StoredEvent, UserEvents
from event_tracker.cli.client import open_client, read_answer
from event_tracker.cli.options import identity_option, parse_time, patience_option, query_options, source_option
from event_tracker.cli.settings import read_settings
from event_tracker.cli.terminal import console_of_output, local_time, printable
from event_tracker.core.cassandra.settings import CassandraSettings

POLL_SECONDS = 1.0
BAR_WIDTH = 30
AGES = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command()
@click.argument("user_id")
@identity_option
@click.option("--type", "types", multiple=True, help="Only events of this type; repeat it for any of several.")
@filter_option
@source_option
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Most events to show; with --follow, of those there are.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as the service answers it.")
@click.option("--follow", is_flag=True, help="Go on showing new events, oldest first, until Ctrl-C.")
@click.option(
    "--from",
    "origin",
    type=click.Choice(["service", "cassandra"]),
    default="service",
    show_default=True,
    help="Whom it asks: the query service, or the Cassandra of CASSANDRA_HOSTS (docs/cassandra.md).",
)
@query_options
@patience_option
def events(
    user_id: str,
    is_raw: bool,
    types: tuple[str, ...],
    filter_texts: tuple[str, ...],
    sources: tuple[str, ...],
    limit: int,
    as_json: bool,
    follow: bool,
    origin: str,
    query: str,
    token: str | None,
    patience: float,
) -> None:
    """Show the events of USER_ID, with all ids that are linked to it, newest first.

    --follow looks ten minutes back for events that arrive late; one that arrives later than that is not shown.
    --from cassandra knows no linked ids: it shows those of USER_ID only.
    """
    with ExitStack() as stack:
        user_events: ReadsEvents
        if origin == "cassandra":
            user_events = _open_cassandra(stack, user_id, types, sources, filter_texts)
        else:
            client = open_client("query service", query, patience, token=token)
            user_events = UserEvents(client, user_id, types, sources, filter_texts, is_raw=is_raw)
        if follow:
            _follow(EventFollower(user_events, limit), as_json=as_json)
            return
        found = list(user_events.newest(limit))
    if not found:
        kind = f" of type {' or '.join(types)}" if types else ""
        kind += f" from {' or '.join(sources)}" if sources else ""
        kind += f" with {' and '.join(filter_texts)}" if filter_texts else ""
        click.echo(f"No events{kind} of {user_id}. `tracker simulate` sends some, and names users to try.", err=True)
    elif as_json:
        for event in found:
            click.echo(event.json)
    else:
        console_of_output().print(_table(found))


def _open_cassandra(
    stack: ExitStack, user_id: str, types: Sequence[str], sources: Sequence[str], filter_texts: Sequence[str]
) -> ReadsEvents:
    if filter_texts:
        raise click.UsageError("--from cassandra has no --filter: it selects by --type and --source only.")
    settings = read_settings(CassandraSettings)
    if not settings.cassandra_hosts:
        raise click.UsageError("Set CASSANDRA_HOSTS for --from cassandra.")
    from event_tracker.cli.ask.cassandra_events import open_events  # needs the extra, which other commands don't

    return stack.enter_context(open_events(settings, user_id, types, sources))


def _follow(follower: EventFollower, *, as_json: bool) -> None:
    console = console_of_output()
    try:
        new = follower.first()
        while True:
            for event in new:
                if as_json:
                    click.echo(event.json)
                else:
                    console.print(_line(event), no_wrap=True, overflow="ellipsis", crop=True)
            time.sleep(POLL_SECONDS)
            new = follower.fresh()
    except KeyboardInterrupt:
        pass  # the way to end it


def _table(found: list[StoredEvent]) -> Table:
    table = Table(box=None, header_style="bold", expand=True)
    zone = datetime.now().astimezone().tzname()
    for name in (f"time ({zone})", "ago", "type", "session"):
        table.add_column(name, no_wrap=True, justify="right" if name == "ago" else "left")
    table.add_column("properties", no_wrap=True, overflow="ellipsis", ratio=1)
    now = datetime.now(UTC)
    for event in found:
        table.add_row(local_time(event.timestamp), ago(event.timestamp, now), *map(Text, _texts(event)))
    return table


def _line(event: StoredEvent) -> Text:
    event_type, session, properties = _texts(event)
    return Text(f"{local_time(event.timestamp)}  {event_type:<20}  {session:<16}  {properties}")


def _texts(event: StoredEvent) -> tuple[str, str, str]:
    return printable(event.event_type), printable(event.session_id or ""), printable(bytes(event.properties).decode())


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit: `3 min`, or `in 3 min` for a time in the future."""
    seconds = int((now - moment).total_seconds())
    size, unit = next(((size, unit) for size, unit in AGES if abs(seconds) >= size), (1, "s"))
    return f"{'in ' if seconds < 0 else ''}{abs(seconds) // size} {unit}"


class TypeCount(msgspec.Struct):
    """One item of the answer."""

    event_type: str
    count: int
    share: float


class TopTypes(msgspec.Struct):
    """The part of the answer that is shown."""

    items: list[TypeCount]
    total: int


@click.command("top-types")
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, help="Most types to show.")
@source_option
@click.option("--from", "start", callback=parse_time, help="Count events at this time (RFC 3339) or later.")
@click.option("--to", "end", callback=parse_time, help="Count events before this time (RFC 3339).")
@click.option("--json", "as_json", is_flag=True, help="The answer as the service gives it.")
@query_options
@patience_option
def top_types(
    limit: int,
    sources: tuple[str, ...],
    start: str | None,
    end: str | None,
    as_json: bool,
    query: str,
    token: str | None,
    patience: float,
) -> None:
    """Show the most frequent types of events, and how many of each there are."""
    parameters: dict[str, Any] = {"limit": limit, "source": list(sources), "from": start, "to": end}
    body = open_client("query service", query, patience, token=token).get("/stats/top-types", parameters)
    if as_json:
        click.echo(body)
        return
    answer = read_answer(body, TopTypes)
    if not answer.items:
        when = " in this range of time" if start or end else ""
        click.echo(f"No events{when}. `tracker simulate` or `tracker send FILE` brings some in.", err=True)
        return
    table = Table(box=None, header_style="bold")
    table.add_column("type", no_wrap=True)
    table.add_column("count", justify="right")
    table.add_column("share", justify="right")
    table.add_column("", width=BAR_WIDTH)
    most = answer.items[0].count
    for item in answer.items:
        table.add_row(
            Text(printable(item.event_type)),
            f"{item.count:,}",
            f"{item.share:.1%}",
            Bar(most, 0, item.count, width=BAR_WIDTH),
        )
    console_of_output().print(table)
    click.echo(f"{answer.total:,} events in all.")
