"""`tracker pages`: titles and categories of a web site's pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from event_tracker.cli.admin.apply import read_declaration
from event_tracker.cli.admin.requests import Admin, Item, json_option, print_items, quote_part, with_admin
from event_tracker.cli.command_group import Group

COLUMNS = [("host", "host"), ("page", "path"), ("title", "title"), ("category", "category"), ("since", "changed_at")]

PAGE = 1000
MAX_AT_ONCE = 500

host_option = click.option(
    "--host", default="", help="Only on this host; otherwise on every host that has no page of its own with this path."
)


@click.group(cls=Group)
def pages() -> None:
    """Titles and categories of a web site's pages, by which their page views can be listed."""


@pages.command("list")
@click.argument("source")
@json_option
@with_admin
def list_pages(admin: Admin, source: str, as_json: bool) -> None:
    """List a source's pages that have a title or a category."""
    print_items(_pages(admin, source), COLUMNS, as_json=as_json)


@pages.command("set")
@click.argument("source")
@click.argument("path")
@click.option("--title", help="What the page is called.")
@click.option("--category", help="What kind of page it is, such as blog.")
@host_option
@with_admin
def set_page(admin: Admin, source: str, path: str, title: str | None, category: str | None, host: str) -> None:
    """Give the page PATH of a source this title and this category, in place of those that it has."""
    if title is None and category is None:
        raise click.UsageError("Give a --title, a --category, or both.")
    changed = _put(admin, source, [{"path": path, "host": host, "title": title, "category": category}])
    click.echo("set" if changed else "nothing to change")


@pages.command()
@click.argument("source")
@click.argument("path")
@host_option
@with_admin
def remove(admin: Admin, source: str, path: str, host: str) -> None:
    """Remove title and category of the page PATH of a source. No event changes."""
    admin.ask("DELETE", f"sources/{quote_part(source)}/pages", path=path, host=host)
    click.echo("removed")


@pages.command()
@click.argument("source")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@with_admin
def apply(admin: Admin, source: str, file: Path) -> None:
    """Set the pages of a source that the YAML file FILE has: a list `pages`, each with path, title, category, host.

    Pages that it doesn't have stay as they are.
    """
    listed = read_declaration(file, "pages").get("pages")
    if not isinstance(listed, list):
        raise click.ClickException(f"{file} has no list `pages`")
    batches = [listed[first : first + MAX_AT_ONCE] for first in range(0, len(listed), MAX_AT_ONCE)]
    changed = sum(_put(admin, source, batch) for batch in batches)
    click.echo(f"{changed:,} of {len(listed):,} pages changed")


def _put(admin: Admin, source: str, batch: list[Any]) -> int:
    changed: int = admin.ask("PUT", f"sources/{quote_part(source)}/pages", {"pages": batch})["changed"]
    return changed


def _pages(admin: Admin, source: str) -> Iterator[Item]:
    after: dict[str, str] = {}
    while items := admin.items(f"sources/{quote_part(source)}/pages", limit=PAGE, **after):
        yield from items
        after = {"after_path": items[-1]["path"], "after_host": items[-1]["host"]}
