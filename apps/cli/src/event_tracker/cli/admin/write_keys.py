"""`tracker key`: create, revoke and list write keys."""

import click

from event_tracker.cli.admin.requests import Admin, json_option, print_items, quote_part, with_admin
from event_tracker.cli.command_group import Group
from event_tracker.core.secrets.keys import make_key

COLUMNS = [
    ("key", "prefix"), ("source", "source"), ("made", "created_at"), ("last used", "last_used"), ("revoked", "revoked_at"),
]  # fmt: skip


@click.group(cls=Group)
def key() -> None:
    """Write keys: what a source sends its events with."""


@key.command()
@click.argument("source")
@with_admin
def create(admin: Admin, source: str) -> None:
    """Make a key for a source and print it, alone on standard output. It is shown this once: only its hash is stored.

    A source may have several, so that one can take another's place before that is revoked.
    """
    click.echo(admin.ask("POST", f"sources/{quote_part(source)}/keys")["key"])


@key.command()
def make() -> None:
    """Make a key without telling any service: it counts once a file with its hash has been applied (`tracker apply`).

    The key goes to standard output, alone; the lines for the file to standard error.
    """
    new = make_key("wk")
    click.echo(f"- prefix: {new.prefix}\n  sha256: {new.hash.hex()}", err=True)
    click.echo(new.key)


@key.command()
@click.argument("prefix")
@with_admin
def revoke(admin: Admin, prefix: str) -> None:
    """Revoke the key with this prefix, such as wk_0123456789. Every collector refuses it within two seconds."""
    admin.ask("DELETE", f"keys/{quote_part(prefix)}")
    click.echo(f"revoked {prefix}")


@key.command("list")
@click.argument("source", required=False)
@json_option
@with_admin
def list_keys(admin: Admin, source: str | None, as_json: bool) -> None:
    """List the keys of a source, or of all, by their prefixes."""
    print_items(admin.items_of_sources(source, "keys"), COLUMNS, as_json=as_json)
