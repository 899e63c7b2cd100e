"""The options that filter events."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from event_tracker.cli.options import identity_option, identity_parameter, source_option

filter_option = click.option(
    "--filter",
    "filter_texts",
    multiple=True,
    metavar="FIELD:OPERATOR:VALUE",
    help="Only events that it selects, such as property.amount:gte:20; or JSON (docs/api.md). Repeat it, and all must match.",
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command options for the filters of the query service. It gets them as `filters`: query parameters by name."""

    @click.option("--user", help="Only events of this user.")
    @identity_option
    @click.option("--type", "types", multiple=True, help="Only events of this type; repeat it for any of several.")
    @click.option("--session", help="Only events of this session.")
    @click.option(
        "--property",
        "properties",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_parse_properties,
        help="Only events with this property; repeat it, and all must match.",
    )
    @filter_option
    @source_option
    @wraps(command)
    def run(
        user: str | None,
        is_raw: bool,
        types: tuple[str, ...],
        session: str | None,
        properties: dict[str, str],
        filter_texts: tuple[str, ...],
        sources: tuple[str, ...],
        **options: Any,
    ) -> Any:
        fields = {"user_id": user, "event_type": list(types), "session_id": session, "source": list(sources)}
        filters = {**fields, **identity_parameter(is_raw), **properties, "filter": list(filter_texts)}
        return command(filters=filters, **options)

    return run


def _parse_properties(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for name, sign, _ in pairs:
        if not name or not sign:
            raise click.BadParameter("must be NAME=VALUE.")
    return {f"property.{name}": value for name, _, value in pairs}
