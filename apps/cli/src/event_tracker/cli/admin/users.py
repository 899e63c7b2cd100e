"""`tracker user`: add, change and list the staff, who may sign in."""

from typing import Any

import click

from event_tracker.cli.admin.requests import Admin, json_option, print_items, quote_part, with_admin
from event_tracker.cli.command_group import Group

ROLES = ["viewer", "analyst", "admin"]
COLUMNS = [
    ("name", "name"), ("role", "role"), ("sources", "sources"), ("enabled", "enabled"), ("password", "has_password"),
    ("by provider", "by_provider"), ("last seen", "last_seen"),
]  # fmt: skip


@click.group(cls=Group)
def user() -> None:
    """People who may sign in. (`tracker events` has the users whose events are stored.)"""


@user.command("set")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="What they may do.  [default of a new one: viewer]")
@click.option("--source", "sources", multiple=True, help="Whose events they may see; repeatable.")
@click.option("--all-sources", is_flag=True, help="They may see every event.  [default of a new one]")
@click.option("--enable/--disable", default=None, help="Whether they may sign in.")
@with_admin
def set_user(
    admin: Admin, name: str, role: str | None, sources: tuple[str, ...], all_sources: bool, enable: bool | None
) -> None:
    """Add a person, or change one: what isn't given stays as it is.

    A new one has no password: `tracker user password` makes one for a first sign-in.
    """
    if sources and all_sources:
        raise click.UsageError("--source and --all-sources exclude each other.")
    given: dict[str, Any] = {}
    if role:
        given["role"] = role
    if sources or all_sources:
        given["sources"] = list(sources) or None
    if enable is not None:
        given["enabled"] = enable
    admin.ask("PUT", f"people/{quote_part(name)}", given)
    click.echo(f"{name} is set")


@user.command()
@click.argument("name")
@with_admin
def password(admin: Admin, name: str) -> None:
    """Make a password for one sign-in within 24 hours and print it, alone on standard output.

    The person's sign-ins end. By the new one they may set a password of their own, and nothing else.
    """
    click.echo(admin.ask("POST", f"people/{quote_part(name)}/password")["password"])


@user.command("list")
@json_option
@with_admin
def list_users(admin: Admin, as_json: bool) -> None:
    """List the people."""
    print_items(admin.items("people"), COLUMNS, as_json=as_json)
