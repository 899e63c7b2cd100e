"""The commands `tracker lake export`, `tracker lake verify` and `tracker lake erase`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import click
import duckdb

from event_tracker.cli.command_group import Group
from event_tracker.cli.database.connection import database_connection, find_database_url
from event_tracker.cli.lake.erase import ArchiveEraser
from event_tracker.cli.lake.event_database import FIRST, LAST, EventDatabase, describe
from event_tracker.cli.lake.export import Exporter
from event_tracker.cli.lake.opening import empty_folder, open_lake, temporary_folder, work_folder
from event_tracker.cli.lake.plan import Range, check_marker, find_archived
from event_tracker.cli.lake.verify import Verifier
from event_tracker.cli.options import running_option
from event_tracker.columns.lake.manifest import MARKER, Marker, decode
from event_tracker.core.storage.files import Storage

EXIT_DIFFERENT = 1
EXIT_UNFINISHED = 2

Command = Callable[..., None]


class UnfinishedError(click.ClickException):
    """The command could not be finished."""

    exit_code = EXIT_UNFINISHED


class Day(click.ParamType[date]):
    """A day (UTC)."""

    name = "day"

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-11-22", param, ctx)


def day_options(what: str) -> Callable[[Command], Command]:
    """Gives a command `start` and `end`, days.

    Args:
        what: which days are meant.
    """

    def add(command: Command) -> Command:
        for option in (
            click.option("--to", "end", type=Day(), metavar="DAY", help=f"Only {what} before this one."),
            click.option("--from", "start", type=Day(), metavar="DAY", help=f"Only {what} from this one (UTC) on."),
        ):
            command = option(command)
        return command

    return add


lake_argument = click.argument("target", metavar="LAKE", envvar="LAKE")


@click.group(cls=Group)
def lake() -> None:
    """Events as Parquet files by day, for Spark, DuckDB, pandas and others."""


@lake.command()
@lake_argument
@day_options("new days")
@click.option(
    "--open-days",
    is_flag=True,
    help="Also export days that aren't over: today's file is written again in each run in which events were added. Without "
    "it, only those of them that the lake has already.",
)
@click.option(
    "--again",
    is_flag=True,
    help="Write every day again (of --from and --to). Needed after the database was restored, or if the lake is of another one.",
)
@running_option
def export(target: str, start: date | None, end: date | None, open_days: bool, again: bool, data: Path | None) -> None:
    """Bring LAKE, a folder or s3://bucket/prefix, to the state of the database. It may also be in the variable LAKE.

    A day is written again exactly when events were added to it, erased, anonymised or deleted since, also a day outside --from and --to
    that is in the lake already. Its files then have no trace of what was erased. Safe to stop at any moment and to run again; one runs
    at a time.

    Connects with DATABASE_URL (or DATABASE_URL_FILE), where the role `query` suffices, and where that isn't set to the embedded server
    that `tracker up` runs on --data. S3 needs the package boto3 (event-tracker-cli[s3]), which finds credentials, region and endpoint.

    Exit code: 0 if the lake is as the database was, 2 if it could not be finished.
    """
    with _opened(target, data, "Run it again: what was done stays.") as (lake, database):
        # The work folder is the lake's: what is left in it, or is being uploaded, may be of the exporter of another database.
        check_marker(database, lake, is_again=again)
        with (
            work_folder(lake) as work,
            closing(Exporter(database, lake, work, is_again=again, say=click.echo)) as exporter,
        ):
            try:
                exporter.run(_range(database, start, end, open_days=open_days))
            finally:
                click.echo(str(exporter.outcome))
    if exporter.outcome.failed:
        sys.exit(EXIT_UNFINISHED)


@lake.command()
@lake_argument
@day_options("days")
@click.option(
    "--events", "with_events", is_flag=True, help="Also compare every value of every event. It reads the whole table."
)
@running_option
def verify(target: str, start: date | None, end: date | None, with_events: bool, data: Path | None) -> None:
    """Compare manifests, files and the database, and say each difference.

    It reads every file, and changes nothing. It connects as `export` does; neither runs beside the other. Events that were added since
    the last export are differences, too, unless their day isn't over and isn't in the lake.

    Exit code: 0 if there is no difference, 1 if there are some, 2 if it could not be finished.
    """
    differences = 0
    with (
        _opened(target, data, "It could not be finished.") as (lake, database),
        empty_folder(temporary_folder("verify", f"{database.database_id} {lake.name}")) as work,
        closing(Verifier(database, lake, work, with_events=with_events)) as verifier,
    ):
        for difference in verifier.run(_range(database, start, end, open_days=False)):
            click.echo(difference)
            differences += 1
    click.echo(f"{verifier.days:,} days, {verifier.rows:,} rows: {differences:,} differences")
    if differences:
        sys.exit(EXIT_DIFFERENT)


@lake.command()
@lake_argument
@running_option
def erase(target: str, data: Path | None) -> None:
    """Take erased people out of the lake's files of events that the database has no more (`tracker maintain --archive-first`).

    An erasure leaves the ids for it in the database. It reads every file with archived events, writes those again that have some of
    theirs, and then deletes the ids. `tracker maintain --archive-first` does the same. Safe to stop at any moment and to run again.

    It connects as the database's owner, with DATABASE_URL (or DATABASE_URL_FILE) or to the embedded server of `tracker up`.

    Exit code: 0 if the files have nothing of erased people, 2 if it could not be finished.
    """
    with _opened(target, data, "Run it again: what was done stays.") as (lake, database):
        check_marker(database, lake, is_again=False)
        find_archived(database, lake, decode(Marker, lake.read(MARKER)))
        if not database.lake_has_archived:
            raise click.ClickException(f"{target} has no archived events of this database")
        with work_folder(lake) as work, closing(ArchiveEraser(database, lake, work, click.echo)) as eraser:
            outcome = eraser.run()
    click.echo(str(outcome))
    if outcome.failed:
        sys.exit(EXIT_UNFINISHED)


@contextmanager
def _opened(target: str, data: Path | None, advice: str) -> Iterator[tuple[Storage, EventDatabase]]:
    """Open the lake and the database, and hold the lock of exporters.

    Args:
        advice: follows what keeps the command from finishing, which becomes one line and the exit code for it.
    """
    files = open_lake(target)
    try:
        with database_connection(find_database_url(data)) as connection:
            database = EventDatabase(connection)
            with database.lock():
                yield files, database
    except KeyboardInterrupt:
        raise UnfinishedError(f"Interrupted. {advice}") from None
    except click.UsageError:
        raise
    except click.ClickException as error:
        raise UnfinishedError(error.message) from error
    except (OSError, duckdb.Error) as error:
        # Errors of DuckDB may quote what users sent.
        said = describe(error) if isinstance(error, duckdb.Error) else str(error)
        raise UnfinishedError(f"{said}\n{advice}") from error


def _range(database: EventDatabase, start: date | None, end: date | None, *, open_days: bool) -> Range:
    return Range(start or FIRST, end or LAST, LAST if open_days else database.today())
