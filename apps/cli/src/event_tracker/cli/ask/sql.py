"""The command `tracker sql`: one statement in SQL (docs/sql.md)."""

import sys
from typing import Any
from urllib.parse import quote

import click
import msgspec
from rich.table import Table
from rich.text import Text

from event_tracker.cli.client import Client, open_client, read_answer
from event_tracker.cli.options import identity_parameter, patience_option, query_options, source_option
from event_tracker.cli.terminal import console_of_output, printable

ANSWER_SECONDS = 120.0
"""Longer than SQL_SECONDS usually is, so that the service's own answer arrives first."""

NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "BIGNUM")
STDIN = "-"
SAVED = "/sql/queries"


class Column(msgspec.Struct):
    """A column of the answer."""

    name: str
    type: str


class Answer(msgspec.Struct):
    """The part of the answer that is shown."""

    columns: list[Column]
    rows: list[list[msgspec.Raw]]
    truncated: bool


class SavedQuery(msgspec.Struct):
    """A statement that the service keeps under a name."""

    name: str
    sql: str
    owner: str


class SavedQueries(msgspec.Struct):
    """Those that one may see."""

    items: list[SavedQuery]


@click.command()
@click.argument("statement", required=False)
@click.option("--saved", metavar="NAME", help="Run the saved query of this name instead of STATEMENT.")
@click.option("--save", metavar="NAME", help="Save STATEMENT under this name, too, once it has run.")
@click.option("--list", "is_list", is_flag=True, help="List the saved queries; nothing is run.")
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
    statement: str | None,
    saved: str | None,
    save: str | None,
    is_list: bool,
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
    if [statement is not None, saved is not None, is_list].count(True) != 1:
        raise click.UsageError("Give one of STATEMENT, --saved NAME and --list.")
    if save is not None and statement is None:
        raise click.UsageError("--save is of a STATEMENT.")
    client = open_client("query service", query, patience, token=token)
    if is_list:
        _print_saved(read_answer(client.ask("GET", SAVED, None, {}), SavedQueries).items)
        return
    text = _read_statement(client, statement, saved)
    body: dict[str, Any] = {
        "sql": text,
        "tz": zone,
        "limit": limit,
        "format": "json" if format_ == "table" else format_,
        **{name: time for name, time in (("from", start), ("to", end)) if time},
        **({"source": list(sources)} if sources else {}),
        **identity_parameter(is_raw),
    }
    found = client.ask("POST", "/sql", body, {}, read_seconds=ANSWER_SECONDS)
    _print(found, format_, limit)
    if save is not None:
        client.ask("PUT", _path_of(save), {"sql": text}, {})


def _read_statement(client: Client, statement: str | None, saved: str | None) -> str:
    if saved is not None:
        return read_answer(client.ask("GET", _path_of(saved), None, {}), SavedQuery).sql
    assert statement is not None
    return sys.stdin.read() if statement == STDIN else statement


def _path_of(name: str) -> str:
    return f"{SAVED}/{quote(name, safe='')}"


def _print_saved(queries: list[SavedQuery]) -> None:
    """As a table: of each statement what fits into a line."""
    table = Table("name", "owner", "statement", box=None, header_style="bold")
    for query in queries:
        table.add_row(*(Text(printable(text)) for text in (query.name, query.owner, " ".join(query.sql.split())[:200])))
    console_of_output().print(table)


def _print(found: bytes, format_: str, limit: int) -> None:
    if format_ != "table":
        sys.stdout.buffer.write(found)
        if format_ == "json":
            sys.stdout.buffer.write(b"\n")
        return
    answer = read_answer(found, Answer)
    console_of_output().print(_table(answer))
    more = f"; there are more: raise --limit from {limit:,}" if answer.truncated else ""
    number = len(answer.rows)
    click.echo(f"{number:,} {'row' if number == 1 else 'rows'}{more}.", err=True)


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
