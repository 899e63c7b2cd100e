"""Options that several commands have."""

from datetime import datetime
from typing import Annotated

import click
import msgspec

from tracker.client import PATIENCE_SECONDS

collector_option = click.option(
    "--collector",
    envvar="COLLECTOR_URL",
    default="http://127.0.0.1:8000",
    show_default=True,
    show_envvar=True,
    help="URL of the collector.",
)
write_key_option = click.option(
    "--write-key",
    envvar="WRITE_KEY",
    show_envvar=True,
    help="A source's write key, where the collector requires one. Other users of this machine may see what stands in a command: "
    "rather set the variable.",
)
query_option = click.option(
    "--query",
    envvar="QUERY_URL",
    default="http://127.0.0.1:8001",
    show_default=True,
    show_envvar=True,
    help="URL of the query service.",
)
patience_option = click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=PATIENCE_SECONDS,
    show_default=True,
    help="Seconds for which a request is tried again.",
)


def parse_time(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Callback of an option that takes a time: refuses what isn't one, and leaves the rest as written."""
    try:
        if value is not None:
            msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        raise click.BadParameter(f"{value!r} isn't a time with an offset, such as 2026-11-22T10:00:00Z.") from None
    return value
