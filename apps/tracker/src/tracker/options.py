"""Options that several commands have."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import click
import msgspec

from tracker.client import PATIENCE_SECONDS


class Secret(click.Option):
    """An option that a variable gives, or the file that this variable with _FILE behind its name names."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        given = super().resolve_envvar_value(ctx)
        file = os.environ.get(f"{self.envvar}_FILE")
        if given is not None or not file:
            return given
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise click.UsageError(f"{self.envvar}_FILE: can't read {file}: {error.strerror}") from None


IN_SIGHT = "Other users of this machine may see what stands in a command: rather set the variable, or one with _FILE behind its name."

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
    cls=Secret,
    envvar="WRITE_KEY",
    show_envvar=True,
    help=f"A source's write key, where the collector requires one. {IN_SIGHT}",
)
query_option = click.option(
    "--query",
    envvar="QUERY_URL",
    default="http://127.0.0.1:8001",
    show_default=True,
    show_envvar=True,
    help="URL of the query service.",
)
token_option = click.option(
    "--token",
    cls=Secret,
    envvar="API_TOKEN",
    show_envvar=True,
    help=f"An API token, where the query service requires one. {IN_SIGHT}",
)
source_option = click.option(
    "--source", "sources", multiple=True, help="Only events of this source; repeat it for any of several."
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
