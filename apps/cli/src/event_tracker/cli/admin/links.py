"""`tracker links`: see the links between ids of one person, and remove wrong ones."""

from collections.abc import Iterator

import click

from event_tracker.cli.admin.requests import Admin, Item, json_option, print_items, with_admin
from event_tracker.cli.command_group import Group

COLUMNS = [
    ("source", "source"), ("id", "alias"), ("linked to", "person"), ("since", "at"), ("by event", "event_id"),
    ("removed", "removed_at"),
]  # fmt: skip

PAGE = 1000

source_option = click.option("--source", help="Of this source only.")


@click.group(cls=Group)
def links() -> None:
    """Links between ids of one person, which events of type identify and alias make."""


@links.command()
@click.argument("user_id", metavar="USER")
@source_option
@json_option
@with_admin
def show(admin: Admin, user_id: str, source: str | None, as_json: bool) -> None:
    """Show all links of the person with the id USER."""
    print_items(_pages(admin, source, user_id=user_id), COLUMNS, as_json=as_json)


@links.command("list")
@source_option
@json_option
@with_admin
def list_links(admin: Admin, source: str | None, as_json: bool) -> None:
    """List all links."""
    print_items(_pages(admin, source), COLUMNS, as_json=as_json)


@links.command()
@click.argument("alias")
@click.argument("person")
@source_option
@with_admin
def remove(admin: Admin, alias: str, person: str, source: str | None) -> None:
    """Remove the link of ALIAS to PERSON. No event changes, and the link doesn't count any more, whatever is sent again."""
    _change(admin, "remove", alias, person, source)


@links.command()
@click.argument("alias")
@click.argument("person")
@source_option
@with_admin
def restore(admin: Admin, alias: str, person: str, source: str | None) -> None:
    """Restore the link of ALIAS to PERSON that was removed."""
    _change(admin, "restore", alias, person, source)


def _change(admin: Admin, what: str, alias: str, person: str, source: str | None) -> None:
    changed = admin.ask("POST", f"links/{what}", {"alias": alias, "person": person, "source": source})["items"]
    click.echo(f"{what}d: {alias} → {person} in " + ", ".join(link["source"] for link in changed))


def _pages(admin: Admin, source: str | None, **given: str) -> Iterator[Item]:
    if source is not None:
        given["source"] = source
    while items := admin.items("links", limit=PAGE, **given):
        yield from items
        given |= {f"after_{name}": items[-1][name] for name in ("source", "alias", "person")}
