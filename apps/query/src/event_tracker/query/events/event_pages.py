"""Pages of events: the events, and the cursor, which says where a page ended. The next one continues there, whatever arrives in between.

A cursor is a key, not an offset. It also has the time range, which depends on the time of the first request if the request had no bounds,
and a digest of the filters, since it is valid with the same filters only. The allowed sources are among them. The cursor isn't
signed: with a forged one a client can query nothing that it couldn't query otherwise.
"""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from marshmallow import fields
from msgspec import UNSET, Meta, UnsetType, field

from event_tracker.query.answers import Time
from event_tracker.query.identity import Identity
from event_tracker.query.parameter_types import EARLIEST, LATEST, field_error

DIGEST_BYTES = 8
NIL = UUID(int=0)

Aware = Annotated[datetime, Meta(tz=True)]


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A position in the order of events, newest first: just after the event with this key.

    Attributes:
        received_at: of that event. None in cursors of the previous release: then it must be looked up.
    """

    timestamp: Aware
    user_id: Annotated[str, Meta(max_length=200, pattern=r"\A[^\0]*\Z")]
    event_id: UUID
    received_at: Aware | None = None

    @classmethod
    def before(cls, end: datetime) -> "Position":
        """The position before all events that are older than `end`."""
        return cls(end, "", NIL, EARLIEST)


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The content of a cursor."""

    digest: bytes
    start: Aware
    end: Aware
    after: Position


_decode = msgspec.json.Decoder(Cursor).decode


def encode(cursor: Cursor) -> str:
    """Encode a cursor as text that needs no escaping in a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).rstrip(b"=").decode()


def decode(text: str) -> Cursor:
    """Decode a cursor.

    Raises:
        ValueError: if the text isn't a cursor.
    """
    try:
        cursor = _decode(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError("not a cursor") from error
    start, after, end = cursor.start, cursor.after.timestamp, cursor.end
    arrived = cursor.after.received_at or EARLIEST
    # Only times that `encode` writes are accepted: others, at the edges of the calendar, would overflow later.
    if not (start.tzinfo is after.tzinfo is end.tzinfo is arrived.tzinfo is UTC and start <= after <= end <= LATEST):
        raise ValueError("no place in a range of time")
    return cursor


def digest(*filters: Any) -> bytes:
    """A short hash of the filters."""
    return hashlib.blake2b(msgspec.json.encode(filters), digest_size=DIGEST_BYTES).digest()


class CursorField(fields.String):
    """`next_cursor` of the previous page."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        try:
            return decode(value)
        except ValueError:
            raise field_error("invalid_cursor", "Must be the `next_cursor` of an answer, unchanged.") from None


class StoredEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An event."""

    user_id: str
    event_type: str
    timestamp: Time
    event_id: UUID
    session_id: str | None
    # The JSON as PostgreSQL writes it; it isn't parsed.
    properties: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
    received_at: Time
    source: str


def make_stored_event(
    user_id: str, event_type: str, timestamp: datetime, event_id: UUID, session_id: str | None, json: str, *rest: Any
) -> StoredEvent:
    """Make an event from a row of the statements in `queries.sql`."""
    return StoredEvent(user_id, event_type, timestamp, event_id, session_id, msgspec.Raw(json), *rest)


class Page(msgspec.Struct, frozen=True):
    """Events, newest first, and the position of the next page, if there is one."""

    events: list[StoredEvent]
    next: Position | None


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time range of a response, from `from` (included) to `to` (excluded)."""

    start: Time = field(name="from")
    end: Time = field(name="to")


class EventPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of events, newest first."""

    events: list[StoredEvent]
    next_cursor: Annotated[str | None, Meta(description="Of the next page; null when there is none.")]
    identity: Annotated[Identity, Meta(description="Whom `user_id` is.")]
    window: Annotated[Window | UnsetType, Meta(description="Only without `user_id`.")] = UNSET


class SourceNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of sources, in their order."""

    sources: list[str]
