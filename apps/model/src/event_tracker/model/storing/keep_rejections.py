"""Stores refused events: the collector's own, and what the storer reads from Kafka."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.model.storing", "keep_rejections.sql")

MAX_CLIENT = 200
"""Characters of the name and version of the program that sent an event."""


class NewRejection(NamedTuple):
    """A refused event, as it is stored.

    Attributes:
        id: a UUIDv7. Storing the same id again changes nothing.
        detail: its errors, without its position in a request.
        is_whole: whether the payload is complete.
        client: name and version of the program that sent it, if it said so.
    """

    id: UUID
    source: str
    received_at: datetime
    reason: str
    detail: list[dict[str, Any]]
    event_type: str | None
    user_id: str | None
    payload: bytes
    is_whole: bool
    client: str | None = None


def keep_rejections(
    connection: psycopg.Connection, rejections: Sequence[NewRejection], measure_waits: Callable[[], Sequence[float]]
) -> int:
    """Write refused events; return how many were left out, because their user was erased since.

    It takes two statements, so that the second one's snapshot is taken while the lock is held.

    Args:
        measure_waits: tells how many seconds ago each arrived. It is asked after the database's clock, so that no event seems to
            have arrived later than it did.
    """
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rejections] for name in NewRejection._fields}
    columns["detail"] = list(map(Jsonb, columns["detail"]))
    with connection.transaction():
        ((*_, now),) = connection.execute(QUERIES["share_erasures"], binary=True).fetchall()
        parameters = {**columns, "now": now, "waited": list(measure_waits())}
        ((erased,),) = connection.execute(QUERIES["keep_rejections"], parameters, binary=True).fetchall()
    return int(erased)


def remove_surplus(connection: psycopg.Connection, sources: Sequence[str], kept: int) -> None:
    """Delete the oldest refused events of sources that have more than `kept`; never one that is to be replayed."""
    parameters = {"sources": sorted(sources), "kept": kept}
    connection.execute(QUERIES["remove_surplus_rejections"], parameters, binary=True)


def storable_text(value: Any, most: int) -> str | None:
    """The value, if it is a text of 1 to `most` characters that PostgreSQL can store; otherwise None."""
    if not isinstance(value, str) or not 1 <= len(value) <= most or "\0" in value:
        return None
    return value if value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value) else None
