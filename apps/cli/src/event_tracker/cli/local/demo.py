"""The traffic of `tracker up --demo`: ten weeks of a shop at once, whose right answers are known, then more as time goes by."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from event_tracker.cli.database.connection import owner_connection
from event_tracker.cli.database.partitions import QUERIES
from event_tracker.cli.local.process import Process
from event_tracker.cli.local.services import POLL_SECONDS

WEEKS = ["--scenario", "shop", "--users", "6000", "--days", "70"]
"""So many days that the dashboard's default range, 30, has a whole range before it to be compared with, and days before that."""

TRUTH = "truth-shop.json"
TRICKLE = ["--users", "500", "--rate", "2"]


def start_traffic(
    stack: ExitStack, collector: str, owner_url: str, data: Path, processes: Sequence[Process], write_key: str | None
) -> Process:
    """Send ten weeks of events, unless the database has events already, and start the trickle.

    Args:
        data: the data folder; what must come of them is written there.
        children: what must go on running meanwhile.
    """
    logs = data / "logs"
    with owner_connection(owner_url) as connection:
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
