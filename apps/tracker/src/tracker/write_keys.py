"""`tracker key`: the write keys that sources send events with."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from core.keys import make_key
from tracker.folder import data_option
from tracker.owner import database_of, owner_connection
from tracker.partitions import QUERIES
from tracker.sources import SourceName


@click.group()
def key() -> None:
    """Write keys: what a source sends its events with."""


@key.command()
@click.argument("source", type=SourceName())
@data_option
def create(source: str, data: Path) -> None:
    """Make a key for a source and print it, alone on standard output. It is shown this once: only its hash is stored.

    A source may have several, so that one can take another's place before that is revoked.
    """
    new = make_key("wk")
    with owner_connection(database_of(data)) as connection:
        made = connection.execute(
            QUERIES["make_key"], {"prefix": new.prefix, "hash": new.hash, "source": source}
        ).fetchall()
    if not made:
        raise click.ClickException(f"there is no source {source}; make it with `tracker source set {source}`")
    click.echo(new.key)


@key.command()
@click.argument("prefix")
@data_option
def revoke(prefix: str, data: Path) -> None:
    """Revoke the key with this prefix, such as wk_0123456789. Every collector refuses it within two seconds."""
    with owner_connection(database_of(data)) as connection:
        found = connection.execute(QUERIES["revoke_key"], {"prefix": prefix}).fetchall()
    if not found:
        raise click.ClickException(f"there is no key {prefix}; `tracker key list` shows them")
    click.echo(f"revoked {prefix} of source {found[0][0]}")


@key.command("list")
@click.argument("source", type=SourceName(), required=False)
@data_option
def list_keys(source: str | None, data: Path) -> None:
    """List the keys of a source, or of all, by their prefixes."""
    table = Table("key", "source", "made", "last used", "revoked")
    with owner_connection(database_of(data)) as connection:
        for prefix, of, made, used, revoked in connection.execute(QUERIES["list_keys"], {"source": source}):
            table.add_row(prefix, of, str(made), str(used or "never"), str(revoked or ""))
    Console().print(table)
