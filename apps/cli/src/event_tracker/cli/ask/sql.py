"""The command `tracker sql`: one statement in SQL (docs/sql.md)."""

import sys
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from event_tracker.cli.client import open_client, read_answer
from event_tracker.cli.options import identity_parameter, patience_option, query_options, source_option
from event_tracker.cli.terminal import console_of_output, printable

ANSWER_SECONDS = 120.0
"""Longer than SQL_SECONDS usually is, so that the service's own answer arrives first."""

NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "BIGNUM")
STDIN = "-"


class Column(msgspec.Struct):
    """A column of the answer."""

    name: str
    type: str


class Answer(msgspec.Struct):
    """The part of the answer that is shown."""

    columns: list[Column]
    rows: list[list[msgspec.Raw]]
    truncated: bool


@click.command()
@click.argument("statement")
@click.option(
    "--from", "start", help="Events at this time (RFC 3339, or a day) or later.  [default: 30 days before --to]"
)
@click.option("--to", "end", help="Events before this time (RFC 3339, or a day).  [default: the end of today]")
@click.option("--tz", "zone", default="UTC", show_default=True, help="IANA time zone of days and times.")
@source_option
@click.option(
    "--raw", "is_raw", is_flag=True, help="user_id is the id that was sent, not the person with all linked ids."
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Most rows.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "arrow"]),
    default="table",
    show_default=True,
    help="What is written: json is the answer as the service gives it, arrow an Arrow IPC stream.",
)
@query_options
@patience_option
def sql(
    statement: str,
    start: str | None,
    end: str | None,
    zone: str,
    sources: tuple[str, ...],
    is_raw: bool,
    limit: int,
    format_: str,
    query: str,
    token: str | None,
    patience: float,
) -> None:
    """Run STATEMENT, one SELECT over the views events, users, sessions and pages (- reads it from standard input).

    The query service needs the setting SQL, and the token the scope sql.
    """
    body: dict[str, Any] = {
        "sql": sys.stdin.read() if statement == STDIN else statement,
        "tz": zone,
        "limit": limit,
        "format": "json" if format_ == "table" else format_,
        **{name: time for name, time in (("from", start), ("to", end)) if time},
        **({"source": list(sources)} if sources else {}),
        **identity_parameter(is_raw),
    }
    client = open_client("query service", query, patience, token=token)
    found = client.ask("POST", "/sql", body, {}, read_seconds=ANSWER_SECONDS)
    if format_ != "table":
        sys.stdout.buffer.write(found)
        if format_ == "json":
            sys.stdout.buffer.write(b"\n")
        return
    answer = read_answer(found, Answer)
    console_of_output().print(_table(answer))
    more = f"; there are more: raise --limit from {limit:,}" if answer.truncated else ""
    click.echo(f"{len(answer.rows):,} rows{more}.", err=True)


def _table(answer: Answer) -> Table:
    table = Table(box=None, header_style="bold")
    for column in answer.columns:
        is_number = any(word in column.type for word in NUMBERS) and not column.type.endswith("]")
        table.add_column(Text(printable(column.name)), justify="right" if is_number else "left", overflow="fold")
    for row in answer.rows:
        table.add_row(*(Text(printable(_cell(value))) for value in row))
    return table


def _cell(value: msgspec.Raw) -> str:
    """A value as it is read: texts without quotes, the rest as JSON, with all digits of a number."""
    text = bytes(value).decode()
    if text == "null":
        return ""
    return str(msgspec.json.decode(text)) if text.startswith('"') else text
