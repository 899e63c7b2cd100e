"""What the commands that use /admin of the query service share."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click
import msgspec
from rich.table import Table
from rich.text import Text

from event_tracker.cli.client import Client, open_client, read_answer
from event_tracker.cli.options import query_options
from event_tracker.cli.terminal import console_of_output, printable

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as the service answers it.")

Item = dict[str, Any]


class Admin:
    """/admin of a query service. No request is repeated: it could make a second key or password."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, /, **params: Any) -> Item:
        """Send a request and return the JSON object of the answer, or an empty one.

        Raises:
            ServiceError: for any answer but 2xx.
        """
        answer = self._client.ask(method, f"/admin/{path}", body, params)
        return read_answer(answer, dict[str, Any]) if answer else {}

    def items(self, path: str, **params: Any) -> list[Item]:
        """Fetch the items of a list."""
        items: list[Item] = self.ask("GET", path, **params)["items"]
        return items

    def items_of_sources(self, source: str | None, part: str) -> list[Item]:
        """Fetch a list that each source has, of one source or of all."""
        names = [source] if source else [found["name"] for found in self.items("sources")]
        return [item for name in names for item in self.items(f"sources/{quote_part(name)}/{part}")]

    def newest(self, path: str, limit: int, **params: Any) -> Iterator[Item]:
        """Fetch up to `limit` items of a list that is paged by id, newest first. A page has fewer items if they are large."""
        while limit and (items := self.items(path, limit=limit, **params)):
            yield from items
            limit -= len(items)
            params["before"] = items[-1]["id"]


def with_admin(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options for the query service, and pass it that service's `Admin` as its first argument."""

    @query_options
    @functools.wraps(command)
    def run(query: str, token: str | None, **options: Any) -> None:
        command(Admin(open_client("query service", query, patience=0, token=token)), **options)

    return run


def quote_part(name: str) -> str:
    """Quote a name for use in a path."""
    return quote(name, safe="")


def print_items(items: Iterable[Item], columns: Sequence[tuple[str, str]], *, as_json: bool) -> None:
    """Print a list as a table, or as lines of JSON.

    A cell stays empty where an item doesn't have the member: an older query service doesn't send newer members.

    Args:
        columns: title and member of each.
    """
    if as_json:
        for item in items:
            click.echo(msgspec.json.encode(item))
        return
    table = Table(box=None, header_style="bold")
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for item in items:
        table.add_row(*(Text(printable(_format(item[member]) if member in item else "")) for _, member in columns))
    console_of_output().print(table)


def _format(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_format, value)) or "none"
        case dict():
            return ", ".join(f"{member}: {format_member(was)}" for member, was in value.items())
        case _:
            return str(value)


def format_member(value: Any) -> str:
    """Format a member of an audit entry's detail: its value, or its old and new value."""
    match value:
        case {"from": was, "to": now}:
            return f"{_format(was)} → {_format(now)}"
        case _:
            return _format(value)
