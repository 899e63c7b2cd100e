"""Which days of a range are summed up, so that their events needn't be read (infra/migrations/0006-summaries.sql)."""

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from event_tracker.query.stats.parameters import GAP
from event_tracker.query.stats.questions import Paths, Range, Selection, Sessions
from event_tracker.query.stats.statements import QUERIES, part
from event_tracker.query.stats.time_range import MOST_PIECES, pieces_between, whole_days


class Days(NamedTuple):
    """The days (UTC) that are taken from their summaries, and the pieces of time around them, which are read.

    Attributes:
        wanted: how many events of these days are of the types that are asked about.
    """

    summed_up: list[datetime]
    wanted: int
    pieces: list[tuple[datetime, datetime]]

    def parameters(self, asked: Range) -> dict[str, Any]:
        """For the statements that need them."""
        return {
            "fresh_days": self.summed_up,
            "wanted": self.wanted,
            "piece_starts": [start for start, _ in self.pieces],
            **whole_days(asked.start, asked.end),
        }


def find_days(connection: psycopg.Connection, asked: Selection, key: str | None = None) -> Days:
    """Look which days' summaries are as they would be now. With a `key`, they must have counted that property."""
    parameters = {**whole_days(asked.start, asked.end), "key": key, "event_types": list(asked.event_types)}
    having = sql.SQL("" if asked.sources is None else QUERIES["fresh_days.having"])
    parameters["sources"] = list(asked.sources or ())
    rows = connection.execute(part("fresh_days", having=having), parameters, binary=True).fetchall()
    fresh = [day for day, _ in rows]
    pieces = pieces_between(asked.start, asked.end, fresh)
    if len(pieces) > MOST_PIECES:
        return Days([], 0, [(asked.start, asked.end)])
    return Days(fresh, sum(wanted for _, wanted in rows), pieces)


def holds_visits(asked: Sessions | Paths) -> bool:
    """Whether summaries of days hold the visits that are asked about: all events, by type, with pauses that aren't shorter."""
    return asked.by == "event_type" and asked.gap >= GAP and not asked.event_types and not asked.properties
