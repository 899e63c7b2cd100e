"""The command `tracker live`: show events of all users as they are stored."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click
import msgspec
import requests
from rich.console import Console
from rich.text import Text

from event_tracker.cli.ask.filters import filter_options
from event_tracker.cli.ask.user_events import StoredEvent
from event_tracker.cli.client import CONNECTION_ERRORS, open_client
from event_tracker.cli.options import patience_option, query_options
from event_tracker.cli.terminal import local_time, printable
from event_tracker.core.retry import backoff


class LiveEvent(StoredEvent, frozen=True):
    """An event of any user."""

    user_id: str = ""


@click.command()
@filter_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as the service sends it.")
@query_options
@patience_option
def live(filters: Mapping[str, Any], as_json: bool, query: str, token: str | None, patience: float) -> None:
    """Show events as they are stored, until Ctrl-C.

    What is stored while the connection is down isn't shown: `tracker export` has it.
    """
    client = open_client("query service", query, patience, token=token)
    console = Console(stderr=False)
    attempt = 0
    try:
        while True:
            try:
                with client.stream("/events/live", filters) as answer:
                    for kind, data in parse(answer.iter_lines(chunk_size=None)):
                        attempt = 0
                        _show(console, kind, data, as_json=as_json)
            except (*CONNECTION_ERRORS, requests.exceptions.ContentDecodingError):
                pass
            click.echo("The connection ended; connecting again.", err=True)
            time.sleep(backoff(attempt))
            attempt += 1
    except KeyboardInterrupt:
        pass  # the way to end it


def parse(lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Parse server-sent events from the lines of a stream. Yields (type, data); the service sends one line of data each."""
    kind, data = "", b""
    for line in lines:
        name, _, value = line.partition(b": ")
        if name == b"event":
            kind = value.decode()
        elif name == b"data":
            data = value
        elif not line and kind:
            yield kind, data
            kind, data = "", b""


def _show(console: Console, kind: str, data: bytes, *, as_json: bool) -> None:
    if kind == "dropped":
        count = msgspec.json.decode(data, type=dict[str, int])["count"]
        click.echo(f"{count:,} events came too fast to be shown.", err=True)
    elif as_json:
        click.echo(data)
    else:
        event = msgspec.json.decode(data, type=LiveEvent)
        line = f"{local_time(event.timestamp)}  {event.user_id:<20}  {event.event_type:<20}  {bytes(event.properties).decode()}"
        console.print(Text(printable(line)), no_wrap=True, overflow="ellipsis", crop=True)
