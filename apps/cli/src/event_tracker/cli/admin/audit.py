"""`tracker audit`: the audit log."""

import click

from event_tracker.cli.admin.requests import Admin, json_option, print_items, with_admin

COLUMNS = [
    ("when", "at"), ("who", "actor"), ("did", "action"), ("to", "target"), ("source", "source"), ("what", "detail"),
]  # fmt: skip


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most entries to show.")
@json_option
@with_admin
def audit(admin: Admin, limit: int, as_json: bool) -> None:
    """Show the audit log, newest first."""
    print_items(list(admin.newest("audit", limit)), COLUMNS, as_json=as_json)
