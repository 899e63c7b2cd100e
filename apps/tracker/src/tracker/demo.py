"""The traffic of `tracker up --demo`: a week of invented events at once, then more as time goes by."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from tracker.child import Child
from tracker.owner import owner_connection
from tracker.partitions import QUERIES
from tracker.services import POLL_SECONDS

USERS = ["--users", "500"]
WEEK = [*USERS, "--events", "20000", "--days", "7"]
TRICKLE = [*USERS, "--rate", "5"]


def start_traffic(stack: ExitStack, collector: str, owner_url: str, logs: Path, children: Sequence[Child]) -> Child:
    """Send a week of events, unless the database has events already, and start the trickle.

    Args:
        children: what must go on running meanwhile.
    """
    with owner_connection(owner_url) as connection:
        ((empty,),) = connection.execute(QUERIES["is_empty"]).fetchall()
    if empty:
        click.echo("Sending a week of simulated events …")
        with _simulate("the simulated week", collector, logs / "simulated-week.log", WEEK) as week:
            while week.wait(POLL_SECONDS) is None:
                for child in children:
                    child.require_running()
            if week.wait() != 0:
                raise week.failure()
        click.echo(week.log.read_text().rstrip())
    return stack.enter_context(_simulate("the simulated trickle", collector, logs / "simulated-trickle.log", TRICKLE))


def _simulate(name: str, collector: str, log: Path, arguments: Sequence[str]) -> Child:
    return Child(name, [sys.executable, "-m", "tracker", "simulate", "--collector", collector, *arguments], log)
