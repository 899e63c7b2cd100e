"""The traffic of `tracker up --demo`: first ten weeks of events of a shop, for which the right answers are known, then live events."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from event_tracker.cli.database.connection import database_connection
from event_tracker.cli.database.partitions import QUERIES
from event_tracker.cli.local.process import Process
from event_tracker.cli.local.services import POLL_SECONDS

WEEKS = ["--scenario", "shop", "--users", "6000", "--days", "70"]
"""70 days: the dashboard compares its default range of 30 days with the 30 days before, and needs some events before those."""

TRUTH = "truth-shop.json"
TRICKLE = ["--users", "500", "--rate", "2"]


def start_traffic(
    stack: ExitStack, collector: str, owner_url: str, data: Path, processes: Sequence[Process], write_key: str | None
) -> Process:
    """Send ten weeks of events, unless the database has events already, and start the trickle.

    Args:
        data: the data folder. The right answers are written there.
        processes: they must keep running meanwhile.
    """
    logs = data / "logs"
    with database_connection(owner_url) as connection:
        ((empty,),) = connection.execute(QUERIES["is_empty"]).fetchall()
    if empty:
        click.echo("Sending ten weeks of simulated events …")
        arguments = [*WEEKS, "--truth", str(data / TRUTH)]
        with _simulate("the simulated weeks", collector, logs / "simulated-weeks.log", arguments, write_key) as weeks:
            while weeks.wait(POLL_SECONDS) is None:
                for process in processes:
                    process.require_running()
            if weeks.wait() != 0:
                raise weeks.failure()
        click.echo(weeks.log.read_text().rstrip())
    log = logs / "simulated-trickle.log"
    return stack.enter_context(_simulate("the simulated trickle", collector, log, TRICKLE, write_key))


def _simulate(name: str, collector: str, log: Path, arguments: Sequence[str], write_key: str | None) -> Process:
    command = [sys.executable, "-m", "event_tracker.cli", "simulate", "--collector", collector, *arguments]
    environment = {**os.environ, "WRITE_KEY": write_key} if write_key else None
    return Process(name, command, log, environment=environment)
