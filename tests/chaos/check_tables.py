"""At the end: what is kept beside the events (counts, users, blocks) against the events themselves."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import psycopg
from definitions.reference.events import Event

from event_tracker.columns.build import find_unbuilt

from .eras import EXPIRED_BEFORE
from .ledger import Ledger
from .report import Report


def check_counts(owner: psycopg.Connection, rows: list[Event], ledger: Ledger, report: Report) -> None:
    """event_counts has as many as there are rows; of the expired era, as many as were ever stored, however often they were sent."""
    counted = Counter()
    for hour, event_type, source, count in owner.execute("select hour, event_type, source, count from event_counts"):
        counted[hour, event_type, source] += count
    stored = Counter(_counter(event) for event in rows)
    recent = Counter({counter: count for counter, count in counted.items() if counter[0] >= EXPIRED_BEFORE})
    report.expect_same(
        "event_counts differ from the rows",
        Counter({counter: count for counter, count in stored.items() if counter[0] >= EXPIRED_BEFORE}),
        recent,
    )
    least, most = Counter(), Counter()
    for sent in ledger.all_sent():
        if sent.is_expired:
            least[_counter(sent.event)] += sent.is_stored
            anonymised = sum(
                one.mode == "anonymise" for one in ledger.erasures_of(sent.event)
            )  # a resend is another event
            most[_counter(sent.event)] += min(sent.attempts, 1 + anonymised)
    expired = counted - recent
    if too_few := least - expired:
        report.find("counts of deleted events are lost", f"{too_few.total()}: {list(too_few.items())[:3]}")
    if too_many := expired - most:
        report.find("counts of deleted events are too high", f"{too_many.total()}: {list(too_many.items())[:3]}")


def check_users(owner: psycopg.Connection, rows: list[Event], report: Report, when: str) -> None:
    """`users` says when each user's first and last events were. Of users with events that may be deleted only that they are there."""
    first: dict[str, datetime] = {}
    last: dict[str, datetime] = {}
    expiring = {event.user_id for event in rows if event.user_id.startswith("old-")}
    for event in rows:
        first[event.user_id] = min(event.timestamp, first.get(event.user_id, event.timestamp))
        last[event.user_id] = max(event.timestamp, last.get(event.user_id, event.timestamp))
    known = {user_id: (seen, hour) for user_id, seen, hour in owner.execute("select * from users")}
    expected = {(user_id, first[user_id], _hour(last[user_id])) for user_id in first if user_id not in expiring}
    found = {(user_id, *times) for user_id, times in known.items() if not user_id.startswith("old-")}
    report.expect_same(f"users differ from the rows, {when}", Counter(expected), Counter(found))
    if unknown := expiring - known.keys():
        report.find(f"users with old events alone aren't known, {when}", f"{sorted(unknown)[:5]}")


def check_blocks(owner: psycopg.Connection, rows: list[Event], report: Report) -> None:
    """After `tracker maintain`: every event of a day that is over is in a block, once, and nothing else is."""
    if unbuilt := find_unbuilt(owner):
        report.find("days have no valid block after maintain", f"{len(unbuilt)}: {unbuilt[:3]}")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    stored = Counter((event.user_id, event.event_id) for event in rows if event.timestamp < today)
    held: Counter[tuple[str, object]] = Counter()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "block.parquet"
        for (parquet,) in owner.execute("select parquet from blocks"):
            path.write_bytes(parquet)
            held.update(duckdb.read_parquet(str(path)).project("user_id, event_id").fetchall())
    report.expect_same("blocks differ from the rows", stored, held)
    report.count("events in blocks", held.total())


def check_forgotten(owner: psycopg.Connection, rows: list[Event], ledger: Ledger, report: Report) -> None:
    """Of erased users of whom no event is stored nothing else is, either."""
    present = {event.user_id for event in rows}
    for table in ("users", "rejections"):
        there = {user_id for (user_id,) in owner.execute(f"select distinct user_id from {table}".encode())}
        for user_id, erasures in list(ledger.erasures.items()):
            whole = any(one.is_done and one.sources is None for one in erasures)
            if whole and user_id in there and user_id not in present:
                report.find(f"{table} still has an erased user", f"{user_id} {erasures}")


def check_deleted(rows: list[Event], report: Report) -> None:
    """After `tracker maintain --keep` nothing that is too old is left."""
    if left := [row for row in rows if row.timestamp < EXPIRED_BEFORE]:
        report.find("events that are too old are left", f"{len(left)}: {left[:3]}")


def _counter(event: Event) -> tuple[datetime, str, str]:
    return _hour(event.timestamp), event.event_type, event.source


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
