"""How the requests of logs become events: a record, and the options of commands that make it."""

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from event_tracker.cli.ingest.logs.kinds import KINDS, STORED
from event_tracker.cli.ingest.logs.visitors import PERIODS

USERS = {
    "visitors": "a keyed hash of host, address and user agent",
    "names": "the name that HTTP authentication gave; without one as visitors",
    "addresses": "the address itself, which then is stored",
}
"""What becomes the user of an event."""

LEAST_SECRET = 16
"""Characters of the secret."""

ALL = "all"

TAKEN = frozenset(["page", "host", "method", "status", "bytes", "seconds", "edge_location", "edge_result", "referrer"])
"""Names of properties that events have anyway."""

HOW_TO_BEGIN = """\
The ids of visitors are made of their address and user agent with a visitor secret, and there is none. Make it once, and keep it:
  (umask 077; head -c 32 /dev/urandom | base64 > visitor-secret)
Then add --visitor-secret-file visitor-secret, or set VISITOR_SECRET_FILE. With another secret, every line is another event of \
another visitor."""

_is_kind = re.compile(r"http_[a-z-]+").fullmatch


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """How requests become events.

    Attributes:
        secret: the visitor secret; None only if `users` is `addresses`.
        trusted_hops: how many of a request's addresses, counted from the right, are of trusted proxies.
        users: of USERS.
        period: of PERIODS.
        ipv6_networks: of IPv6 addresses, only the first 64 bits count.
        also: kinds that are stored beside STORED; `all` is all of them.
        host: the site's, where the log doesn't name it.
        own_hosts: other hosts of the site, in lower case: links from them are internal.
        api_paths: beginnings of paths that are never pages.
        parameters: names of the query's parameters that become properties.
        page_parameters: names of those that tell pages apart.
        strip_slash: `/about/` is the page `/about`.
        country_database: an MMDB file.
        cities: whether the city is stored, too.
    """

    secret: str | None
    trusted_hops: int = 0
    users: str = "visitors"
    period: str = "never"
    ipv6_networks: bool = False
    also: frozenset[str] = frozenset()
    host: str | None = None
    own_hosts: tuple[str, ...] = ()
    api_paths: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    page_parameters: tuple[str, ...] = ()
    strip_slash: bool = False
    country_database: Path | None = None
    cities: bool = False

    def is_stored(self, kind: str) -> bool:
        """Whether requests of a kind become events."""
        return kind in STORED or kind in self.also or ALL in self.also


def read_secret(file: Path | None, users: str) -> str | None:
    """The visitor secret: from the file, or else from VISITOR_SECRET.

    Raises:
        UsageError: if there is none and one is needed, it can't be read, or is too short.
    """
    if users == "addresses":
        return None
    try:
        secret = file.read_text().strip() if file else os.environ.get("VISITOR_SECRET", "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"Can't read the visitor secret in {file}: {error}") from None
    if not secret:
        raise click.UsageError(f"{file} is empty." if file else HOW_TO_BEGIN)
    if len(secret) < LEAST_SECRET:
        place = file or "VISITOR_SECRET"
        raise click.UsageError(f"The visitor secret in {place} needs {LEAST_SECRET} characters; it has {len(secret)}.")
    return secret


def _check_kinds(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> frozenset[str]:
    for value in values:
        if value not in {*KINDS, ALL} and not _is_kind(value):
            raise click.BadParameter(
                f"{value!r} is none of {', '.join(sorted({*KINDS} - STORED))}, http_post and the like, all."
            )
    return frozenset(values)


def _check_parameters(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value in TAKEN or value.startswith(("$", "utm_")):
            raise click.BadParameter(f"{value!r} is the name of a property that events of logs have anyway.")
    return values


def _in_lower_case(_context: click.Context, _parameter: click.Parameter, values: Any) -> Any:
    return tuple(map(str.lower, values)) if isinstance(values, tuple) else values and values.lower()


_OPTIONS = [
    click.option(
        "--visitor-secret-file",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="VISITOR_SECRET_FILE",
        show_envvar=True,
        help="Logs: a file with the visitor secret, of which the ids of visitors are made; or the secret itself in VISITOR_SECRET.",
    ),
    click.option(
        "--trusted-hops", type=click.IntRange(min=0), default=0, show_default=True,
        help="Logs: how many of a request's addresses (X-Forwarded-For, then the connection's), from the right, are of your proxies.",
    ),
    click.option(
        "--users", type=click.Choice(list(USERS)), default="visitors", show_default=True,
        help="Logs: what users are. " + "; ".join(f"{name}: {says}" for name, says in USERS.items()) + ".",
    ),
    click.option(
        "--new-ids", "period", type=click.Choice(list(PERIODS)), default="never", show_default=True,
        help="Logs: how often a visitor gets a new id. Keep it: with another one, lines that are sent again are new events.",
    ),
    click.option(
        "--ipv6-networks", is_flag=True, help="Logs: the visitors of one IPv6 network (/64) with one user agent are one."
    ),
    click.option(
        "--also", multiple=True, callback=_check_kinds,
        help=f"Logs: also store these requests: {', '.join(sorted({*KINDS} - STORED))}, http_post and the like, or all. Repeat it.",
    ),
    click.option("--host", callback=_in_lower_case, help="Logs: the site's host, where the lines don't name it."),
    click.option(
        "--own-host", "own_hosts", multiple=True, callback=_in_lower_case,
        help="Logs: another host of the site: links from there are internal. Repeat it.",
    ),
    click.option(
        "--api-path", "api_paths", multiple=True, help="Logs: paths that begin with this are never pages. Repeat it."
    ),
    click.option(
        "--parameter", "parameters", multiple=True, callback=_check_parameters,
        help="Logs: a parameter of the query that becomes a property; others, but for utm_*, aren't stored. Repeat it.",
    ),
    click.option(
        "--page-parameter", "page_parameters", multiple=True,
        help="Logs: a parameter of the query that tells pages apart, as t in /viewtopic.php?t=1. Repeat it.",
    ),
    click.option("--strip-slash", is_flag=True, help="Logs: /about/ is the page /about."),
    click.option(
        "--country-database",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="COUNTRY_DATABASE",
        show_envvar=True,
        help="Logs: an MMDB file of addresses' countries, or cities.",
    ),
    click.option("--cities", is_flag=True, help="Logs: also store the city, if COUNTRY_DATABASE has cities."),
]  # fmt: skip


def log_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the parameter `make_options`: a function without parameters that returns the `LogOptions`.

    It raises a usage error if there is no secret, so that commands call it only for a log.
    """

    @functools.wraps(command)
    def run(**given: Any) -> None:
        names = [name for name in LogOptions.__dataclass_fields__ if name != "secret"]
        chosen = {name: given.pop(name) for name in names}
        file = given.pop("visitor_secret_file")

        def make_options() -> LogOptions:
            return LogOptions(secret=read_secret(file, chosen["users"]), **chosen)

        command(make_options=make_options, **given)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run
