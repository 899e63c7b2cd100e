"""Options that several commands share."""

import functools
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import click
import msgspec

from event_tracker.cli.local.running import find_running
from event_tracker.core.retry import PATIENCE_SECONDS


class Secret(click.Option):
    """An option whose value may come from an environment variable, say X, or from the file that X_FILE names."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        given = super().resolve_envvar_value(ctx)
        file = os.environ.get(f"{self.envvar}_FILE")
        if given is not None or not file:
            return given
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise click.UsageError(f"{self.envvar}_FILE: can't read {file}: {error.strerror}") from None


ADVICE = "Other users of this machine may see the arguments of a command: prefer the variable, or the one with _FILE behind its name."

COLLECTOR, QUERY = "http://127.0.0.1:8000", "http://127.0.0.1:8001"
"""The URLs of the services where none are given and no `tracker up` is found."""

identity_option = click.option(
    "--raw",
    "is_raw",
    is_flag=True,
    help="Of this id alone, not of the person with all ids that are linked to it.",
)


def identity_parameter(is_raw: bool) -> dict[str, str]:
    """The query parameter of `identity_option`. Nothing by default: query services of earlier releases don't know it."""
    return {"identity": "raw"} if is_raw else {}


running_option = click.option(
    "--data",
    type=click.Path(path_type=Path, resolve_path=True),
    help="Data folder of the `tracker up` that is meant.  [default: TRACKER_DATA, or .data in this folder or the nearest above it]",
)


def _connection_options(
    service: str, title: str, default_url: str, secret: str, variable: str, secret_help: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command the options for the connection to a service.

    Where they aren't given, the values of the running `tracker up` are used.

    Args:
        service: `collector` or `query`: the option and the parameter for its URL, and the attribute of `Running`.
        secret: `write_key` or `token`: the same for the kind of secret that the service requires.
        variable: the environment variable for the secret.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option(
            f"--{service}",
            envvar=f"{service.upper()}_URL",
            show_envvar=True,
            help=f"URL of the {title}.  [default: that of `tracker up`, or {default_url}]",
        )
        @click.option(
            f"--{secret.replace('_', '-')}",
            cls=Secret,
            envvar=variable,
            show_envvar=True,
            help=f"{secret_help} {ADVICE}",
        )
        @running_option
        @functools.wraps(command)
        def run(data: Path | None, **options: Any) -> None:
            running = find_running(data)
            url, kept = (getattr(running, service), getattr(running, secret)) if running else (default_url, None)
            options[service] = options[service] or url
            # The secret of the local services is sent to no other service.
            if options[secret] is None and options[service] == url:
                options[secret] = kept
            command(**options)

        return run

    return decorate


collector_options = _connection_options(
    "collector", "collector", COLLECTOR, "write_key", "WRITE_KEY",
    "A source's write key, where the collector requires one.",
)  # fmt: skip
"""Gives a command the parameters `collector` (a URL) and `write_key`."""

query_options = _connection_options(
    "query", "query service", QUERY, "token", "API_TOKEN", "An API token, where the query service requires one."
)
"""Gives a command the parameters `query` (a URL) and `token`."""

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
    """Callback of an option that takes a time: check it, and return it unchanged."""
    try:
        if value is not None:
            msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        raise click.BadParameter(f"{value!r} isn't a time with an offset, such as 2026-11-22T10:00:00Z.") from None
    return value
