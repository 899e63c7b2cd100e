"""Parses a request's events: decode, validate, enrich, make a row. An event's errors are returned; rows and results stay as made.

msgspec decodes what is valid, in 1 to 2 µs. What it refuses, or can't be sure of, is also read by `explain`, which lists every
error. Some of that turns out to be valid, and is repaired.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from uuid_utils import uuid7

from event_tracker.collector.parsing.batch import UNREADABLE, Batch, Raw, require_readable
from event_tracker.collector.parsing.enrichment import Additions
from event_tracker.collector.parsing.number_lengths import NumberReader
from event_tracker.collector.parsing.validation_errors import Finding, explain, repair
from event_tracker.collector.tracking_plan.plans import TrackingPlan
from event_tracker.core.http.errors import Problem
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import MAX_DEPTH, OUT_OF_RANGE, Event, EventError, RuleViolation
from event_tracker.model.storing.row import Row, SchemaViolations

MAX_FUTURE = timedelta(hours=24)
"""How far ahead of the server's clock a timestamp may be: enough for a wrong clock or a wrong time zone."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The times in UUIDv7 count from here."""

CLOCK_INTERVAL = 16
"""Events that are read before the clock is checked."""

LARGE_BYTES = 4096
"""After an event of at least so many bytes, the clock is always checked."""

WRITTEN_TOO_LARGE = "An event may have {} bytes with its numbers written out (1e308 has 309 digits); this one has more."

NESTING = frozenset({dict, list})

ValidEvent = tuple[Event, datetime, Finding | None]
"""An event, when it happened, in UTC, and a warning if characters of its properties were replaced."""

_numbers = NumberReader()
_decode_event = msgspec.json.Decoder(Event, float_hook=_numbers.read).decode
_encode = msgspec.json.Encoder().encode


class TimeBounds(NamedTuple):
    """The bounds of an event's time.

    Attributes:
        earliest: UTC. The time of a clock that was reset (1970, 1980) is before it.
        now: the server's clock, UTC; times may be `MAX_FUTURE` ahead of it.
    """

    earliest: datetime
    now: datetime

    def resolve(self, timestamp: datetime | None, event_id: UUID | None) -> datetime | RuleViolation:
        """When an event happened, in UTC: its timestamp, else the time in its id, else now.

        It is a violation if a resend couldn't be recognised, or the time is out of bounds.
        """
        field = "event_id" if timestamp is None else "timestamp"
        try:
            if timestamp is not None:
                happened = timestamp if timestamp.tzinfo is UTC else timestamp.astimezone(UTC)
            elif event_id is None:
                return self.now
            elif event_id.version == 7:
                happened = EPOCH + timedelta(milliseconds=event_id.int >> 80)  # RFC 9562 section 5.7
            else:
                return RuleViolation(
                    field,
                    "timestamp_required",
                    "An event_id without a timestamp must be a UUIDv7: with any other, each resend would get a new time and be stored "
                    "again.",
                )
        except OverflowError:
            return RuleViolation(field, "timestamp_out_of_range", OUT_OF_RANGE)
        if happened < self.earliest:
            detail = (
                f"{happened.isoformat()} is before {self.earliest.date()}, the earliest day that this collector takes."
            )
            return RuleViolation(field, "timestamp_too_old", detail)
        if happened - self.now > MAX_FUTURE:
            detail = f"{happened.isoformat()} is more than 24 h ahead of the server's clock."
            return RuleViolation(field, "timestamp_in_future", detail)
        return happened


class RefusedEvent(NamedTuple):
    """A refused event: its position in the request, from 0, and its bytes."""

    position: int
    raw: bytes


class ParseResult(msgspec.Struct, frozen=True):
    """A request's events.

    Attributes:
        rows: the valid ones, in the request's order.
        errors: the errors of the others.
        received: how many events there were.
        warnings: those of the rows.
        refused: the refused events, as sent.
    """

    rows: Sequence[Row]
    errors: Sequence[EventError]
    received: int
    is_batch: bool
    warnings: Sequence[EventError] = ()
    refused: Sequence[RefusedEvent] = ()

    @property
    def rejected(self) -> int:
        """How many events were refused; one may have several errors."""
        return self.received - len(self.rows)

    def pointer_to(self, index: int) -> str:
        """JSON Pointer to one of the events."""
        return f"/{index}" if self.is_batch else ""


class Parser:
    """Parses bodies within the limits of one collector.

    Args:
        max_event_bytes: most bytes of one event.
        max_body_bytes: most bytes that the numbers of one body may add to it when they are written out.
        earliest: the earliest time that is accepted, UTC.
    """

    def __init__(self, max_event_bytes: int, max_body_bytes: int, earliest: datetime) -> None:
        self.max_event_bytes = max_event_bytes
        self.max_body_bytes = max_body_bytes
        self.earliest = earliest

    def read(
        self, batch: Batch, *, source: str, plan: TrackingPlan | None = None, added: Additions | None = None
    ) -> ParseResult:
        """Parse the events of a body, in time linear in their bytes. Lets other requests run meanwhile.

        Raises:
            Problem: 400 if it isn't JSON, 413 if it is one event that is too large or has too many long numbers, 503 if there is no
                time to check an event against its schema, and the schema is enforced.
        """
        bounds = TimeBounds(self.earliest, datetime.now(UTC))
        time_slice = TimeSlice() if batch.is_batch else None
        events = EventParser(self, batch, bounds, source, plan, added, time_slice)
        rows: list[Row] = []
        errors: list[EventError] = []
        warnings: list[EventError] = []
        refused: list[RefusedEvent] = []
        for index, raw in enumerate(batch.events):
            parsed = events.parse(index, raw)
            if isinstance(parsed, Row):
                rows.append(parsed)
                if parsed.warnings:
                    warnings += parsed.warnings
            else:
                errors += parsed
                refused.append(RefusedEvent(index, bytes(raw)))
        if errors:
            require_readable(batch, errors)
        return ParseResult(rows, errors, len(batch.events), batch.is_batch, warnings, refused)


class EventParser(msgspec.Struct):
    """Parses the events of one request.

    Attributes:
        parser: has the limits.
        bounds: the accepted times.
        source: the name of the source that sent it.
        plan: the source's tracking plan; None if it has none.
        added: properties that are added to those of the events; None if none are.
        time_slice: lets other requests run meanwhile; None for a single event.
        written: how many bytes longer the events' numbers are when they are written out.
    """

    parser: Parser
    batch: Batch
    bounds: TimeBounds
    source: str
    plan: TrackingPlan | None = None
    added: Additions | None = None
    time_slice: TimeSlice | None = None
    written: int = 0

    def parse(self, index: int, raw: Raw) -> Row | list[EventError]:
        """The row of an event, or every error in it.

        Raises:
            Problem: 413 if the numbers of all events so far add too much, 503 if it must be checked against its schema and
                checks of other sources take all the time.
        """
        size = len(raw)
        if self.time_slice and (index % CLOCK_INTERVAL == 0 or size >= LARGE_BYTES):
            self.time_slice.yield_when_over()
        decoded = self._decode(raw, size)
        if isinstance(decoded, list):
            return self._list_errors(index, decoded)
        event, timestamp, replaced = decoded
        properties = event.properties or {}
        violations: SchemaViolations | None = None
        warnings: Sequence[EventError] = ()
        plan = self.plan
        if plan:
            violations, warnings = plan.check(index, self._pointer_to(index), event.event_type, properties, size)
            if violations and plan.enforced:
                return warnings
        if replaced:
            warnings = [*warnings, *self._list_errors(index, [replaced])]
        return Row(
            event.user_id,
            timestamp,
            uuid7().bytes if event.event_id is None else event.event_id.bytes,
            event.event_type,
            event.session_id,
            _encode(self.added.at(index).add_to(event.event_type, properties) if self.added else properties),
            self.source,
            violations,
            warnings,
        )

    def _decode(self, raw: Raw, size: int) -> ValidEvent | list[Finding]:
        """Decode an event, and check its size, its fields and its time."""
        most = self.parser.max_event_bytes
        if size > most:
            return [("", "event_too_large", f"An event may have {most} bytes; this one has {size}.")]
        _numbers.added = 0
        try:
            event = _decode_event(raw)
        except UNREADABLE:
            event = None
        added = _numbers.added
        if added and size + added > most:
            return [("", "event_too_large", WRITTEN_TOO_LARGE.format(most))]
        if event is not None:
            if added:
                self._add_written(added)
            timestamp = self.bounds.resolve(event.timestamp, event.event_id)
            if isinstance(timestamp, datetime) and not (
                (self.batch.may_hold_nul and b"\\u0000" in bytes(raw)) or _may_be_deep(event.properties, raw)
            ):
                return event, timestamp, None
        return self._decode_leniently(bytes(raw), event)

    def _decode_leniently(self, raw: bytes, event: Event | None) -> ValidEvent | list[Finding]:
        """Find every error in an event. If there is none, the event is repaired as far as needed; `event` is what was decoded of it."""
        explanation = explain(raw, self.bounds)
        if self.time_slice:  # `explain` takes some hundred times as long as reading a valid event
            self.time_slice.yield_when_over()
        if explanation.timestamp is None or explanation.findings:
            return explanation.findings
        if event is None or explanation.replaced:
            repaired = repair(raw)
            _numbers.added = 0
            event = _decode_event(repaired)
            most = self.parser.max_event_bytes
            if len(repaired) + _numbers.added > most:
                return [("", "event_too_large", WRITTEN_TOO_LARGE.format(most))]
            self._add_written(_numbers.added)
        return event, explanation.timestamp, explanation.replaced

    def _add_written(self, added: int) -> None:
        """Count how many bytes longer the numbers of an event are when they are written out.

        Raises:
            Problem: 413 if all events so far add too much.
        """
        self.written += added
        most = self.parser.max_body_bytes
        if self.written > most:
            detail = f"Written out as PostgreSQL does (1e308 has 309 digits), the numbers of a request may add {most} bytes to it."
            raise Problem(413, "body_too_large", detail)

    def _list_errors(self, index: int, findings: Iterable[Finding]) -> list[EventError]:
        prefix = self._pointer_to(index)
        return [EventError(index, prefix + pointer, code, detail) for pointer, code, detail in findings]

    def _pointer_to(self, index: int) -> str:
        return f"/{index}" if self.batch.is_batch else ""


def _may_be_deep(properties: dict[str, Any] | None, raw: Raw) -> bool:
    """Whether the properties could be nested too deep. It is fast: most have no nesting at all, the others rarely many brackets."""
    if not properties or NESTING.isdisjoint(map(type, properties.values())):
        return False
    text = bytes(raw)
    return text.count(b"{") + text.count(b"[") > MAX_DEPTH
