"""At the end: every row of `events` against what was sent."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import psycopg
from definitions.reference.events import Event

from .exports import ANONYMOUS, difference, key_of_sent
from .ledger import Ledger, Presence, Sent
from .report import Report

ROWS = 'select user_id, "timestamp", event_id, event_type, session_id, properties, source from events order by received_at, event_id'


def stored_events(owner: psycopg.Connection) -> list[Event]:
    """Every row, in the order of arrival."""
    return [
        Event(user_id, event_type, timestamp, event_id, session_id, properties, source)
        for user_id, timestamp, event_id, event_type, session_id, properties, source in owner.execute(ROWS)
    ]


def check_rows(rows: list[Event], ledger: Ledger, report: Report) -> None:
    """What must be there is, once and as it was sent; what must be gone is; and there is nothing that nobody sent."""
    found = Counter((row.user_id, row.timestamp, row.event_id) for row in rows)
    sent = {key_of_sent(one): one for one in ledger.all_sent()}
    _find(report, "an event is stored twice", (key for key, number in found.items() if number > 1))
    by_presence: dict[Presence, list[Any]] = {presence: [] for presence in Presence}
    for key, one in sent.items():
        by_presence[ledger.presence(one)].append(key)
    _find(
        report, "an acknowledged event isn't stored", (key for key in by_presence[Presence.STORED] if key not in found)
    )
    _find(report, "an event of an erased user is stored", (key for key in by_presence[Presence.GONE] if key in found))
    own = [row for row in rows if not row.user_id.startswith(ANONYMOUS)]
    keyed = [((row.user_id, row.timestamp, row.event_id), row) for row in own]
    _find(report, "a row is of no event that was sent", (key for key, _ in keyed if key not in sent))
    _find(
        report,
        "an event is stored otherwise than it was sent",
        ((sent[key].event, row) for key, row in keyed if key in sent and difference(sent[key], vars(row))),
    )
    _check_anonymous(rows, list(sent.values()), ledger, report)
    for presence, keys in by_presence.items():
        report.count(f"events that must be {presence.value}", len(keys))


def _check_anonymous(rows: list[Event], sent: list[Sent], ledger: Ledger, report: Report) -> None:
    """An anonymised user's events go on as somebody's: with type, time and source, and without properties."""
    named = {(row.user_id, row.timestamp, row.event_id) for row in rows}
    anonymous = [row for row in rows if row.user_id.startswith(ANONYMOUS)]
    found = Counter(map(_what_is_left, anonymous))
    may, must = Counter(), Counter()
    for one in sent:
        if any(erasure.mode == "anonymise" for erasure in ledger.erasures_of(one.event)):
            may[_what_is_left(one.event)] += one.attempts
            if one.acknowledged is not None and key_of_sent(one) not in named:
                must[_what_is_left(one.event)] += 1
    _find(report, "an anonymised event is gone", (must - found).elements())
    _find(report, "an anonymous event was nobody's", (found - may).elements())
    _find(report, "an anonymous event has properties", (row for row in anonymous if row.properties))
    report.count("anonymous events", len(anonymous))


def _what_is_left(event: Event) -> tuple[Any, ...]:
    return event.timestamp, event.event_type, event.source


def _find(report: Report, kind: str, wrong: Iterable[Any]) -> None:
    found = list(wrong)
    if found:
        report.find(kind, f"{len(found)}: {found[:4]}")
