"""Refused events: listing them, counting them by reason, requesting their replay. Collectors store and replay them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.model", "rejections.sql")

MAX_BYTES = 8 * 2**20
"""Bytes of payloads and details in a page. A page ends there: a thousand events could have ten times as much."""


class Rejection(NamedTuple):
    """A refused event.

    Attributes:
        id: a UUIDv7. A replay uses it as event_id if the event has none.
        reason: the code of its first error.
        detail: its errors, with `pointer`, `code`, `detail` and, of a schema's, `schema_version`.
        event_type: as far as it could be read; the same for `user_id`.
        payload: the event as it was sent.
        is_whole: whether the payload is complete; otherwise it can't be replayed.
        replay_requested_at: when a replay was requested that isn't done yet.
        client: name and version of the program that sent it, if it said so; never of a browser.
    """

    id: UUID
    source: str
    received_at: datetime
    reason: str
    detail: list[dict[str, Any]]
    event_type: str | None
    user_id: str | None
    payload: str
    is_whole: bool
    replay_requested_at: datetime | None
    client: str | None = None


class RejectionSummary(NamedTuple):
    """How many events of a source and type were refused for a reason, and how many of them wait to be replayed."""

    source: str
    event_type: str | None
    reason: str
    events: int
    waiting: int
    first: datetime
    last: datetime


def list_rejections(
    connection: psycopg.Connection,
    sources: Sequence[str] | None = None,
    *,
    reason: str | None = None,
    event_type: str | None = None,
    user_id: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Rejection]:
    """Refused events of these sources or of all, the newest first; those older than `before` are the next page.

    A page has at most `limit` events, and fewer if they exceed MAX_BYTES. It is empty only if there are none.
    """
    parameters = {
        "reason": reason, "event_type": event_type, "user_id": user_id, "before": before, "limit": limit, "bytes": MAX_BYTES,
    }  # fmt: skip
    rows = connection.execute(QUERIES["list_rejections"], {"sources": _to_list(sources), **parameters})
    # A payload may be refused because it isn't UTF-8: invalid bytes are replaced.
    return [Rejection._make((*row[:7], bytes(row[7]).decode(errors="replace"), *row[8:])) for row in rows]


def count_rejections(connection: psycopg.Connection, sources: Sequence[str] | None = None) -> list[RejectionSummary]:
    """Refused events by source, type and reason, the commonest first."""
    rows = connection.execute(QUERIES["count_rejections"], {"sources": _to_list(sources)})
    return [RejectionSummary(*row) for row in rows]


def request_replay(
    connection: psycopg.Connection,
    source: str,
    *,
    reason: str | None = None,
    event_type: str | None = None,
    ids: Sequence[UUID] | None = None,
) -> int:
    """Request that collectors try a source's refused events again; return how many. They begin within two seconds.

    An event that is then stored is deleted here. One that is refused again stays, with its new reason.
    """
    parameters = {
        "source": source,
        "reason": reason,
        "event_type": event_type,
        "ids": None if ids is None else list(ids),
    }
    return len(connection.execute(QUERIES["request_replay"], parameters).fetchall())


def _to_list(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)
