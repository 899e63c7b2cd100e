"""`tracker apply`: change the sources to what a file declares."""

from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from event_tracker.cli.admin.requests import Admin, Item, with_admin

SIGNS = {"created": "+", "revoked": "-"}


@click.command()
@click.option(
    "-f", "--file", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The YAML file."
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_admin
def apply(admin: Admin, file: Path, dry_run: bool, yes: bool) -> None:
    """Make sources and their keys as FILE declares them: show the changes, ask, and make them in one transaction.

    What the file doesn't name stays as it is, but keys: where a source has `keys`, others of it are revoked.
    """
    declaration = read_declaration(file)
    changes = admin.ask("POST", "apply", declaration, dry_run="true")["changes"]
    for change in changes:
        click.echo(_format_change(change))
    if not changes:
        click.echo("Nothing to change.")
    elif not dry_run:
        if not yes:
            click.confirm("Do it?", abort=True)
        done = admin.ask("POST", "apply", declaration)["changes"]
        click.echo(f"Done: {len(done)} changes.")


def read_declaration(file: Path, first: str = "sources") -> dict[str, Any]:
    """Read the document in a YAML 1.2 file. A name that is twice in a mapping is an error.

    Args:
        first: its first name, for the error message.

    Raises:
        ClickException: if the file can't be read, or isn't a YAML mapping.
    """
    try:
        declaration = YAML(typ="safe", pure=True).load(file)
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise click.ClickException(f"{file} can't be read: {error}") from None
    if not isinstance(declaration, dict):
        raise click.ClickException(f"{file} can't be read: it must be a mapping that begins with `{first}:`")
    return declaration


def _format_change(change: Item) -> str:
    kind, _, done = change["action"].partition("_")
    of_source = f" of {change['source']}" if change["source"] not in (None, change["target"]) else ""
    members = "".join(f"\n    {member}: {_format_value(value)}" for member, value in change["detail"].items())
    return f"{SIGNS.get(done, '~')} {kind} {change['target']}{of_source}{members}"


def _format_value(value: Any) -> str:
    match value:
        case {"from": was, "to": now}:
            return f"{was} → {now}"
        case _:
            return str(value)
