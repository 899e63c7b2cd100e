"""The command `tracker outbox`."""

import os
import signal
import threading
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Any

import click
import psycopg

from event_tracker.cli.client import open_client
from event_tracker.cli.command_group import Group
from event_tracker.cli.database.connection import database_connection
from event_tracker.cli.health import serve_health
from event_tracker.cli.ingest.delivery import MAX_EVENTS
from event_tracker.cli.options import collector_options, patience_option
from event_tracker.cli.outbox.sender import QUERIES, OutboxSender
from event_tracker.cli.terminal import printable

VARIABLE = "OUTBOX_DATABASE_URL"
DEFAULT_BATCH_EVENTS = 500


def _find_url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    """The URL that was given, or that the variable or its file has: a password in an argument can be seen by others."""
    file = os.environ.get(f"{VARIABLE}_FILE")
    try:
        url = value or os.environ.get(VARIABLE) or (Path(file).read_text().strip() if file else "")
        psycopg.conninfo.conninfo_to_dict(url)
    except OSError as error:
        raise click.UsageError(f"{VARIABLE}_FILE: can't read {file}: {error.strerror}") from None
    except psycopg.Error:
        raise click.UsageError("URL isn't one of PostgreSQL, such as postgresql://user@host/database.") from None
    if not url:
        raise click.UsageError(f"Name the database with the outbox: URL, {VARIABLE} or {VARIABLE}_FILE.")
    return url


url_argument = click.argument("url", required=False, callback=_find_url)


@click.group(cls=Group)
def outbox() -> None:
    """Events that an application tracks in its own PostgreSQL: an outbox table, and what sends it to the collector.

    URL is that of the application's database. It may be in OUTBOX_DATABASE_URL, or in the file that OUTBOX_DATABASE_URL_FILE names: others
    may see the arguments of a command.
    """


@outbox.command()
@url_argument
def init(url: str) -> None:
    """Make the outbox, `event_tracker.track()` and the role `track` in the database at URL, or bring them up to date."""
    script = resources.files("event_tracker.cli.outbox").joinpath("outbox.sql").read_text("utf-8")
    with database_connection(url) as connection, connection.transaction():
        connection.execute(script.encode())
    click.echo("The outbox is ready. Allow an application's role to use it: grant track to ROLE;")


@outbox.command()
@url_argument
@click.option(
    "--source", help="Send only events with this source, with its write key.  [default: all, whatever their source]"
)
@click.option("--once", is_flag=True, help="End when nothing waits. Otherwise it runs until SIGTERM or Ctrl-C.")
@click.option("--every", type=click.FloatRange(min=0.05), default=1.0, show_default=True,
              help="Seconds between two looks at an empty outbox.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1, MAX_EVENTS), default=DEFAULT_BATCH_EVENTS, show_default=True,
              help="Most events in a request.")  # fmt: skip
@click.option("--metrics-port", type=click.IntRange(1, 65535),
              help="Serve /metrics (Prometheus), /livez and /readyz on this port.")  # fmt: skip
@click.option("--metrics-host", default="127.0.0.1", show_default=True, envvar="HOST", show_envvar=True,
              help="The address to serve them on.")  # fmt: skip
@collector_options
@patience_option
def run(
    url: str, source: str | None, once: bool, every: float, batch: int, metrics_port: int | None, metrics_host: str, collector: str,
    write_key: str | None, patience: float,
) -> None:  # fmt: skip
    """Send the events of the outbox at URL to the collector: those that are there, and those that come.

    An event is deleted from the outbox once the collector has stored it. It is sent at least once, and stored once. Events that the
    collector refuses stay with its reasons (`tracker outbox list`), and don't hold up others.

    It is safe to stop or kill it at any time, and to run it several times at once.
    """
    stopping = threading.Event()
    with ExitStack() as stack:
        client = open_client("collector", collector, patience, write_key=write_key)

        def stop(*_: Any) -> None:
            stopping.set()
            client.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, stop))
        sender = OutboxSender(url, client, stopping, source=source, batch=batch, interval_seconds=every)
        if metrics_port:
            stack.enter_context(
                serve_health(metrics_host, metrics_port, lambda: sender.active_at, lambda: sender.is_connected)
            )
        if not once:
            sender.follow()
            return
        try:
            sender.send_all()
        except psycopg.Error as error:
            raise click.ClickException(f"the outbox can't be read: {' '.join(str(error).split())}") from None
    click.echo(", ".join(f"{number:,} {outcome}" for outcome, number in sender.sent.items()) or "nothing waits")


@outbox.command("list")
@url_argument
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most refused events.")
def list_events(url: str, limit: int) -> None:
    """Show how many events of the outbox at URL wait, and the refused ones, the oldest first, with the reasons."""
    with database_connection(url) as connection:
        ((waiting, lag, refused),) = connection.execute(QUERIES["measure"], {"source": None, "most": None}).fetchall()
        click.echo(f"{waiting:,} wait, the oldest for {lag:.0f} s; {refused:,} are refused")
        for id_, at, source, user_id, event_type, errors in connection.execute(
            QUERIES["list_refused"], {"rows": limit}
        ):
            reasons = "; ".join(f"{one['pointer']} {one['code']}: {one['detail']}" for one in errors)
            click.echo(printable(f"{id_}  {at:%Y-%m-%dT%H:%M:%SZ}  {source}  {event_type}  {user_id}  {reasons}"))


@outbox.command()
@url_argument
@click.option("--id", "ids", type=int, multiple=True, help="Only this one; repeat it for several.  [default: all]")
def retry(url: str, ids: tuple[int, ...]) -> None:
    """Let refused events of the outbox at URL be sent again, say after their schema was corrected."""
    with database_connection(url) as connection:
        changed = connection.execute(QUERIES["retry_refused"], {"ids": list(ids) or None})
        click.echo(f"{changed.rowcount:,} wait again")
