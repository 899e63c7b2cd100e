"""`tracker token`: create, revoke and list API tokens."""

import click

from event_tracker.cli.admin.requests import Admin, json_option, print_items, quote_part, with_admin
from event_tracker.cli.command_group import Group

SCOPES = ["read_stats", "read_events", "export", "sql", "admin"]
COLUMNS = [
    ("token", "prefix"), ("name", "name"), ("may", "scopes"), ("sources", "sources"), ("made", "created_at"),
    ("by", "made_by"), ("expires", "expires_at"), ("last used", "last_used"), ("revoked", "revoked_at"), ("counts", "counts"),
]  # fmt: skip


@click.group(cls=Group)
def token() -> None:
    """API tokens: what programs read with."""


@token.command()
@click.argument("name")
@click.option("--may", "scopes", type=click.Choice(SCOPES), multiple=True, required=True, help="A scope; repeatable.")
@click.option("--source", "sources", multiple=True, help="Whose events it may read; repeatable.  [default: all]")
@click.option(
    "--days", type=click.IntRange(1), help="Days until it expires, at most as long as your own.  [default: never]"
)
@with_admin
def create(admin: Admin, name: str, scopes: tuple[str, ...], sources: tuple[str, ...], days: int | None) -> None:
    """Make a token and print it, alone on standard output. It is shown this once: only its hash is stored.

    NAME says what it is for.
    """
    body = {"name": name, "scopes": list(scopes), "sources": list(sources) or None, "days": days}
    click.echo(admin.ask("POST", "tokens", body)["token"])


@token.command()
@click.argument("prefix")
@with_admin
def revoke(admin: Admin, prefix: str) -> None:
    """Revoke the token with this prefix, such as rt_0123456789, and those that it made.

    They are refused within two seconds.
    """
    admin.ask("DELETE", f"tokens/{quote_part(prefix)}")
    click.echo(f"revoked {prefix}")


@token.command("list")
@json_option
@with_admin
def list_tokens(admin: Admin, as_json: bool) -> None:
    """List the tokens by their prefixes."""
    print_items(admin.items("tokens"), COLUMNS, as_json=as_json)
