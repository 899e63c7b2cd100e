"""`tracker maintain`: the regular maintenance of the database. Run it every hour."""

import re
from pathlib import Path

import click
import psycopg

from event_tracker.cli.database.blocks import build_all
from event_tracker.cli.database.connection import database_connection, exclusive_lock, find_database_url
from event_tracker.cli.database.partitions import (
    AHEAD,
    MAX_ROWS,
    Moves,
    ensure_partitions,
    lock_out_erasures,
    make_partition,
    missing_partitions,
    plan_moves,
)
from event_tracker.cli.database.relink import relink as make_links
from event_tracker.cli.database.relink import renumber_restored
from event_tracker.cli.database.retention.archive_first import ArchiveFirst, open_archive
from event_tracker.cli.database.retention.parts import Expired, Part
from event_tracker.cli.database.retention.retention import delete_expired, find_expired
from event_tracker.cli.options import running_option
from event_tracker.columns.build import find_unbuilt
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.cli.database", "maintain.sql")

CLOSED = "2 hours"
"""The age at which an hour's counters are folded, which is added up in fewer rows. Few events arrive later, and they are counted too."""

MAX_ERASURE_WAIT = "7 days"
"""How long ids that were erased may wait for the lake's files before a warning. Until then these have their events."""

PERIOD = re.compile(r"([1-9]\d{0,3})\s*(day|week|month|year)s?")


class Period(click.ParamType[str]):
    """A number of days, weeks, months or years."""

    name = "period"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        found = PERIOD.fullmatch(value)
        if not found:
            self.fail(f"{value!r} is no period such as 90days, 8weeks, 13months or 2years", param, ctx)
        return f"{found[1]} {found[2]}s"


@click.command()
@click.option(
    "--ahead", type=click.IntRange(0, 120), default=AHEAD, show_default=True, help="Months ahead that get a partition."
)
@click.option(
    "--keep",
    type=Period(),
    metavar="PERIOD",
    help="Delete events older than this (13months, 90days, 2years): every monthly partition that holds nothing younger "
    "is dropped. Counts by type and source stay, so such statistics over whole hours go on answering for the time before. "
    "Sources that say for how many days they are kept (`tracker source set --keep-days`) use that. Without either, nothing "
    "is deleted.",
)
@click.option(
    "--archive-first",
    "lake",
    metavar="LAKE",
    help="Delete only events that the lake has: a folder, or s3://bucket/prefix, that `tracker lake export` writes. A month stays, and "
    "the exit code is 1, if the lake's manifest or file of one of its days isn't as the events are. Whoever was erased is also taken out "
    "of its files of deleted events.",
)
@click.option(
    "--move",
    is_flag=True,
    help="Move every month that fills the default partition to a partition of its own. Without it, months of up to "
    f"{MAX_ROWS:,} rows together are moved in a run: while rows leave, nobody reads or writes events.",
)
@click.option(
    "--relink",
    is_flag=True,
    help="Also make the links between ids again from all stored events: for those that were stored before links were.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, in rows and bytes, and change nothing.")
@running_option
def maintain(
    ahead: int, keep: str | None, lake: str | None, move: bool, relink: bool, dry_run: bool, data: Path | None
) -> None:
    """Make partitions ahead, fold the counts of closed hours, build blocks of days that are over, delete what is too old.

    Connects as the database's owner with DATABASE_URL (or DATABASE_URL_FILE), and where that isn't set to the embedded
    server that `tracker up` runs on --data. Safe under load, to run again, and several times at once.
    """
    with database_connection(find_database_url(data)) as connection:
        if dry_run:
            connection.execute("set default_transaction_read_only to on")
            preview(connection, ahead, keep, move, is_archive_first=lake is not None)
        else:
            with exclusive_lock(connection):
                perform(connection, ahead, keep, move, lake)
                if relink:
                    click.echo(f"made or moved {make_links(connection):,} links")


def preview(
    connection: psycopg.Connection, ahead: int, keep: str | None, move: bool, *, is_archive_first: bool
) -> None:
    """Print what `perform` would do, if the lake has what is to be archived first."""
    for month in missing_partitions(connection, ahead):
        click.echo(f"would make partition {month.partition}")
    moves = plan_moves(connection, all_of_them=move)
    for month, rows in moves.now:
        click.echo(f"would move {rows:,} rows from the default partition to {month.partition}")
    print_remaining(moves)
    ((counters, left),) = connection.execute(QUERIES["count_foldable"], {"closed": CLOSED}).fetchall()
    click.echo(f"would fold {counters:,} counters into {left:,}")
    for name, ids in connection.execute(QUERIES["find_silent_relays"]):
        click.echo(
            f"would remove the relay {name}, which hasn't passed on erasures for 30 days, and {ids:,} erased ids"
        )
    click.echo(f"would build {len(find_unbuilt(connection)):,} blocks")
    if expired := find_expired(connection, keep, is_archive_first=is_archive_first):
        for part in expired.parts:
            print_part(part)
        print_total(expired, "would free")


def perform(connection: psycopg.Connection, ahead: int, keep: str | None, move: bool, lake: str | None = None) -> None:
    """Do all the maintenance and print what was done. Delete first: old events needn't be moved."""
    kept = delete_archived(connection, keep, lake) if lake else delete(connection, keep)
    for name in ensure_partitions(connection, ahead):
        click.echo(f"made partition {name}")
    moves = plan_moves(connection, all_of_them=move)
    for month, _ in moves.now:
        moved = make_partition(connection, month)
        click.echo(f"moved {moved:,} rows from the default partition to {month.partition}")
    print_remaining(moves)
    with connection.transaction():
        lock_out_erasures(connection)
        ((counters, left),) = connection.execute(QUERIES["fold_counts"], {"closed": CLOSED}).fetchall()
    click.echo(f"folded {counters:,} counters into {left:,}")
    with connection.transaction():
        lock_out_erasures(connection)
        ((refreshed,),) = connection.execute(QUERIES["refresh_users"]).fetchall()
    if refreshed:
        click.echo(f"refreshed {refreshed:,} users")
    ((over,),) = connection.execute(QUERIES["forget_sign_ins"]).fetchall()
    if over:
        click.echo(f"forgot {over:,} sign-ins that are over")
    for old in ("forget_erasures", "forget_topic_erasures", "forget_topic_ends", "forget_archive_erasures"):
        connection.execute(QUERIES[old])
    print_late_erasures(connection)
    kept += forget_relays(connection)
    renumber_restored(connection)
    built, unbuilt = build_all(connection)
    click.echo(f"built {built:,} blocks")
    if unbuilt:
        kept.append(f"{unbuilt:,} blocks couldn't be built: questions read their events, which is slower")
    if kept:
        raise click.ClickException("\n".join(kept))


def delete(connection: psycopg.Connection, keep: str | None) -> list[str]:
    """Delete what is too old. Nothing keeps that from being done, so the list is empty."""
    if expired := find_expired(connection, keep):
        print_total(delete_expired(connection, expired, print_part), "freed")
    return []


def delete_archived(connection: psycopg.Connection, keep: str | None, lake: str) -> list[str]:
    """Erase from the lake whoever was erased, then delete what is too old and in the lake. Returns what couldn't be done.

    Nothing is deleted while erased people can't be taken out: the lake would be the only place of still more events. Other maintenance
    goes on without a lake: partitions are needed in any case.
    """
    problems: list[str] = []
    try:
        with open_archive(connection, lake) as archive:
            outcome = archive.erase(problems.append)
            if outcome.ids:
                click.echo(str(outcome))
            if outcome.failed:
                return [*problems, "no event was deleted, since erased people couldn't be taken out of the lake"]
            if expired := find_expired(connection, keep, is_archive_first=True):
                first = ArchiveFirst(archive, expired.limits)
                print_total(delete_expired(connection, expired, print_part, first), "freed")
                problems += [f"not deleted, since the lake hasn't got it: {problem}" for problem in first.problems]
    except click.UsageError:
        raise
    except click.ClickException as error:
        problems.append(f"the lake wasn't used, so nothing more was deleted: {error.message}")
    return problems


def print_late_erasures(connection: psycopg.Connection) -> None:
    """Warn of ids that were erased long ago, and whose archived events are still in the lake's files."""
    ((ids,),) = connection.execute(QUERIES["count_late_erasures"], {"limit": MAX_ERASURE_WAIT}).fetchall()
    if ids:
        click.echo(
            f"warning: {ids:,} ids that were erased more than {MAX_ERASURE_WAIT} ago wait for the lake's files of archived days, which "
            "still have their events: `tracker lake erase`",
            err=True,
        )


def forget_relays(connection: psycopg.Connection) -> list[str]:
    """Remove relays for which erased ids have waited too long, with these ids. Returns what a person should know."""
    with connection.transaction():
        lock_out_erasures(connection)
        forgotten = connection.execute(QUERIES["forget_relays"]).fetchall()
    late = connection.execute(QUERIES["find_late_relays"]).fetchall()
    problems = [
        f"removed the relay {name}: it hasn't passed on erasures for 30 days. If it runs again, it begins as at its first "
        "start, and these erasures aren't passed on"
        for (name,) in forgotten
    ]
    problems += [
        f"{ids:,} erased ids wait for the relay {name}, some for a week. Run it (such as a publisher), or delete its row in `relays`: "
        f"on {day} it is removed"
        for name, ids, day in late
    ]
    return problems


def print_remaining(moves: Moves) -> None:
    """Print a line for each month that stays in the default partition though it has many rows there."""
    for month, rows in moves.later:
        click.echo(f"{rows:,} rows for {month.partition} are left in the default partition: the next run moves them")
    for month, rows in moves.refused:
        click.echo(
            f"warning: {rows:,} rows for {month.partition} are left in the default partition, which makes questions "
            "slower. Nobody reads or writes events while they leave it: `tracker maintain --move` in a quiet hour",
            err=True,
        )


def print_part(part: Part) -> None:
    """Print a line for one partition."""
    click.echo(f"{part.name}: {part.rows:,} rows, {part.bytes:,} bytes")


def print_total(expired: Expired, verb: str) -> None:
    """Print a line for all partitions together."""
    click.echo(f"{verb} {expired.rows:,} rows, {expired.bytes:,} bytes: {expired.limits}")
