"""`tracker source`: the sites and apps that events come from."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.table import Table

from tracker.folder import data_option
from tracker.owner import database_of, owner_connection
from tracker.partitions import QUERIES

NAME = re.compile("[a-z0-9][a-z0-9_-]{0,99}")


class SourceName(click.ParamType[str]):
    """A source's name; the table holds the same rule."""

    name = "source"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not NAME.fullmatch(value):
            self.fail(f"{value!r} must be lower-case letters, digits, - and _, at most 100", param, ctx)
        return value


class Origin(click.ParamType[str]):
    """An origin as browsers send it (RFC 6454 section 6.2): scheme, host and, unless it is the scheme's own, port."""

    name = "origin"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        parts = urlsplit(value)
        if value != "*" and (parts.scheme not in ("http", "https") or value != f"{parts.scheme}://{parts.netloc}"):
            self.fail(f"{value!r} is no origin; one looks like https://shop.example, or is *", param, ctx)
        return value.lower()


@click.group()
def source() -> None:
    """Sources: the sites and apps that events come from."""


@source.command("set")
@click.argument("name", type=SourceName())
@click.option("--origin", "origins", type=Origin(), multiple=True, help="Whose pages may send events; repeatable.")
@click.option("--no-origins", is_flag=True, help="No page may send events, only servers.")
@click.option("--enable/--disable", default=None, help="Whether it takes events.")
@click.option("--rate-limit", type=click.IntRange(0, 1_000_000), help="Events a second for each key; 0 is no limit.")
@data_option
def set_source(
    name: str, origins: tuple[str, ...], no_origins: bool, enable: bool | None, rate_limit: int | None, data: Path
) -> None:
    """Make a source, or change one: what isn't given stays as it is.

    Collectors take the change over within two seconds.
    """
    if origins and no_origins:
        raise click.UsageError("--origin and --no-origins exclude each other.")
    given = {
        "name": name,
        "origins": list(origins) if origins or no_origins else None,
        "enabled": enable,
        "rate_limit": rate_limit,
    }
    with owner_connection(database_of(data)) as connection:
        ((is_new,),) = connection.execute(QUERIES["set_source"], given).fetchall()
    click.echo(f"made source {name}" if is_new else f"changed source {name}")


@source.command("list")
@data_option
def list_sources(data: Path) -> None:
    """List the sources."""
    table = Table("source", "origins", "enabled", "events/s a key", "keys", "last used")
    with owner_connection(database_of(data)) as connection:
        for name, origins, enabled, rate, keys, used in connection.execute(QUERIES["list_sources"]):
            table.add_row(
                name,
                ", ".join(origins),
                "yes" if enabled else "no",
                str(rate or "no limit"),
                str(keys),
                str(used or "never"),
            )
    Console().print(table)
