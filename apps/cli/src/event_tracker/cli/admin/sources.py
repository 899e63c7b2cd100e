"""`tracker source`: add, change and list sources."""

from typing import Any

import click

from event_tracker.cli.admin.requests import Admin, json_option, print_items, quote_part, with_admin
from event_tracker.cli.command_group import Group

COLUMNS = [
    ("source", "name"), ("origins", "allowed_origins"), ("enabled", "enabled"), ("events/s a key", "rate_limit"),
    ("schemas", "schema_mode"), ("days kept", "keep"),
    ("keys", "keys"), ("last used", "last_used"),
]  # fmt: skip


@click.group(cls=Group)
def source() -> None:
    """Sources: the sites and apps that events come from."""


@source.command("set")
@click.argument("name")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    help="Whose pages may send events; repeatable; * is any, https://*.shop.example all subdomains.",
)
@click.option("--no-origins", is_flag=True, help="No page may send events, only servers.")
@click.option("--enable/--disable", default=None, help="Whether it takes events.")
@click.option("--rate-limit", type=click.IntRange(0, 1_000_000), help="Events a second for each key; 0 is no limit.")
@click.option(
    "--schema-mode",
    type=click.Choice(["off", "warn", "enforce"]),
    help="What becomes of events that violate their schema: taken unseen, stored and flagged, or refused.",
)
@click.option(
    "--keep-days",
    type=click.IntRange(0, 36_500),
    help="Days for which its events are kept; 0 is what `tracker maintain --keep` says.",
)
@with_admin
def set_source(
    admin: Admin,
    name: str,
    origins: tuple[str, ...],
    no_origins: bool,
    enable: bool | None,
    rate_limit: int | None,
    schema_mode: str | None,
    keep_days: int | None,
) -> None:
    """Make a source, or change one: what isn't given stays as it is.

    Collectors take the change over within two seconds.
    """
    if origins and no_origins:
        raise click.UsageError("--origin and --no-origins exclude each other.")
    given: dict[str, Any] = {}
    if origins or no_origins:
        given["allowed_origins"] = list(origins)
    if enable is not None:
        given["enabled"] = enable
    if rate_limit is not None:
        given["rate_limit"] = rate_limit or None
    if schema_mode is not None:
        given["schema_mode"] = schema_mode
    if keep_days is not None:
        given["keep"] = keep_days or None
    admin.ask("PUT", f"sources/{quote_part(name)}", given)
    click.echo(f"source {name} is set")


@source.command("list")
@json_option
@with_admin
def list_sources(admin: Admin, as_json: bool) -> None:
    """List the sources."""
    print_items(admin.items("sources"), COLUMNS, as_json=as_json)
