"""The traffic of `tracker up --demo`: a month of a shop at once, whose right answers are known, then more as time goes by."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from tracker.child import Child
from tracker.owner import owner_connection
from tracker.partitions import QUERIES
from tracker.services import POLL_SECONDS

MONTH = ["--scenario", "shop", "--users", "6000", "--days", "30"]
TRUTH = "truth-shop.json"
TRICKLE = ["--users", "500", "--rate", "2"]


def start_traffic(
    stack: ExitStack, collector: str, owner_url: str, data: Path, children: Sequence[Child], write_key: str | None
) -> Child:
    """Send a month of events, unless the database has events already, and start the trickle.

    Args:
        data: the data folder; what must come of the month is written there.
        children: what must go on running meanwhile.
    """
    logs = data / "logs"
    with owner_connection(owner_url) as connection:
        ((empty,),) = connection.execute(QUERIES["is_empty"]).fetchall()
    if empty:
        click.echo("Sending a month of simulated events …")
        arguments = [*MONTH, "--truth", str(data / TRUTH)]
        with _simulate("the simulated month", collector, logs / "simulated-month.log", arguments, write_key) as month:
            while month.wait(POLL_SECONDS) is None:
                for child in children:
                    child.require_running()
            if month.wait() != 0:
                raise month.failure()
        click.echo(month.log.read_text().rstrip())
    log = logs / "simulated-trickle.log"
    return stack.enter_context(_simulate("the simulated trickle", collector, log, TRICKLE, write_key))


def _simulate(name: str, collector: str, log: Path, arguments: Sequence[str], write_key: str | None) -> Child:
    command = [sys.executable, "-m", "tracker", "simulate", "--collector", collector, *arguments]
    environment = {**os.environ, "WRITE_KEY": write_key} if write_key else None
    return Child(name, command, log, environment=environment)
