"""Options that several commands have."""

import functools
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import click
import msgspec

from event_tracker.cli.local.running import find_running
from event_tracker.cli.retry import PATIENCE_SECONDS


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


ADVICE = "Other users of this machine may see what stands in a command: rather set the variable, or one with _FILE behind its name."

COLLECTOR, QUERY = "http://127.0.0.1:8000", "http://127.0.0.1:8001"
"""Where the services are looked for if nothing says so and no `tracker up` is found."""

running_option = click.option(
    "--data",
    type=click.Path(path_type=Path, resolve_path=True),
    help="Data folder of the `tracker up` that is meant.  [default: TRACKER_DATA, or .data in this folder or the nearest above it]",
)


def collector_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that lead to a collector. It gets `collector` and `write_key`: of `tracker up`, if none are named."""

    @click.option(
        "--collector",
        envvar="COLLECTOR_URL",
        show_envvar=True,
        help=f"URL of the collector.  [default: that of `tracker up`, or {COLLECTOR}]",
    )
    @click.option(
        "--write-key",
        cls=Secret,
        envvar="WRITE_KEY",
        show_envvar=True,
        help=f"A source's write key, where the collector requires one. {ADVICE}",
    )
    @running_option
    @functools.wraps(command)
    def run(collector: str | None, write_key: str | None, data: Path | None, **options: Any) -> None:
        running = find_running(data)
        collector = collector or (running.collector if running else COLLECTOR)
        # What is kept for the services here is sent to no others.
        if write_key is None and running and collector == running.collector:
            write_key = running.write_key
        command(collector=collector, write_key=write_key, **options)

    return run


def query_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that lead to a query service. It gets `query` and `token`: of `tracker up`, if none are named."""

    @click.option(
        "--query",
        envvar="QUERY_URL",
        show_envvar=True,
        help=f"URL of the query service.  [default: that of `tracker up`, or {QUERY}]",
    )
    @click.option(
        "--token",
        cls=Secret,
        envvar="API_TOKEN",
        show_envvar=True,
        help=f"An API token, where the query service requires one. {ADVICE}",
    )
    @running_option
    @functools.wraps(command)
    def run(query: str | None, token: str | None, data: Path | None, **options: Any) -> None:
        running = find_running(data)
        query = query or (running.query if running else QUERY)
        # What is kept for the services here is sent to no others.
        if token is None and running and query == running.query:
            token = running.token
        command(query=query, token=token, **options)

    return run


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
