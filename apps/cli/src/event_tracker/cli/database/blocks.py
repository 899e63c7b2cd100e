"""Blocks of past days, so that questions about many events needn't read rows (event_tracker.columns.build).

The query service uses a block only while it says what the rows say. So a block that is missing or outdated makes a question slower,
but never wrong (infra/migrations/0024-blocks.sql).
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psycopg

from event_tracker.cli.progress import Meter
from event_tracker.columns.build import Builder, BuildError, CountError, find_unbuilt


def build_all(connection: psycopg.Connection) -> tuple[int, int]:
    """Build each block that is missing or outdated, in transactions of its own, so that a failure affects one only.

    Returns:
        How many were built, and how many failed. Each failure is printed. Where the counters say otherwise than the events, a
        warning is printed and nothing has failed: no run could mend that, and questions read the events.
    """
    stretches = find_unbuilt(connection)
    if not stretches:
        return 0, 0
    built = failed = 0
    with TemporaryDirectory(prefix="tracker-blocks-") as folder, Meter("blocks", len(stretches)) as meter:
        builder = Builder(connection, Path(folder))
        for number, stretch in enumerate(stretches, 1):
            try:
                built += builder.build(stretch)
            except CountError as error:
                click.echo(f"warning: {stretch.source}'s {stretch.day:%Y-%m-%d} gets no block: {error}", err=True)
            except (psycopg.Error, BuildError, OSError) as error:
                if connection.broken:
                    raise
                click.echo(f"can't build {stretch.source}'s {stretch.day:%Y-%m-%d}: {_reason(error)}", err=True)
                failed += 1
            meter.show(number, number)
        builder.close()
    return built, failed


def _reason(error: Exception) -> str | None:
    """What was wrong, without the data that users sent: PostgreSQL's details, and the paths of a system's error, may contain some."""
    if isinstance(error, psycopg.Error):
        return error.diag.message_primary
    return error.strerror if isinstance(error, OSError) else str(error)
