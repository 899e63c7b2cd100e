"""One event's JSON as a row to be stored.

msgspec reads what is valid, in 1 to 2 µs. What it refuses, or can't be sure of, goes to `explain`; if that finds nothing
wrong, the event is read a second time.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec
from uuid_utils import uuid7

from event_tracker.collector.parsing.batch_elements import UNREADABLE, Raw
from event_tracker.collector.parsing.enrichment import NO_PROPERTIES, AddedProperties
from event_tracker.collector.parsing.number_lengths import LongNumberError, LongNumbers, read_short_float
from event_tracker.collector.parsing.validation_errors import Finding, explain, may_be_deep
from event_tracker.collector.tracking_plan.plans import SchemaViolations, TrackingPlan
from event_tracker.collector.tracking_plan.slow_checks import BusyError, UncheckedError
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.unstorable import replace_unstorable
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import Event, RuleError, TimeBounds, resolve_timestamp

_read_event = msgspec.json.Decoder(Event, float_hook=read_short_float).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode


class Row(msgspec.Struct, frozen=True, gc=False):
    """An event as it is stored. The first three fields identify it.

    Attributes:
        timestamp: in UTC.
        event_id: the 16 bytes of a UUID.
        properties: JSON.
        source: the name of the source that sent it.
        violations: how it violates its schema, if the schema isn't enforced.
        is_checked: False if it wasn't checked against its schema, since there was no time.
        replaced: a warning about characters of its properties that were replaced.
    """

    user_id: str
    timestamp: datetime
    event_id: bytes
    event_type: str
    session_id: str | None
    properties: bytes
    source: str
    violations: SchemaViolations | None = None
    is_checked: bool = True
    replaced: Finding | None = None


class LongEvents:
    """Reads the events of one request whose numbers PostgreSQL writes much longer than they were sent.

    Args:
        most_event_bytes: how large an event may be with its numbers written out.
        most_added: how many bytes the written numbers may add to all events together.
    """

    def __init__(self, most_event_bytes: int, most_added: int) -> None:
        self._most_event_bytes = most_event_bytes
        self._most_added = most_added
        self._added = 0

    def read(self, raw: Raw) -> Event:
        """The event.

        Raises:
            one of UNREADABLE: if it isn't an event.
            TooLongError: if it is too large with its numbers written out.
            Problem: 413 if the numbers of all events add too much.
        """
        size = memoryview(raw).nbytes
        numbers = LongNumbers(size, self._most_event_bytes)
        event: Event = msgspec.json.Decoder(Event, float_hook=numbers.read).decode(raw)
        self._added += numbers.size - size
        if self._added > self._most_added:
            raise Problem(
                413,
                "body_too_large",
                f"Written out as PostgreSQL does (1e308 has 309 digits), the numbers of a request may add {self._most_added} bytes to it.",
            )
        return event


class ParseContext(NamedTuple):
    """What is known about a body before its events are read.

    Attributes:
        bounds: the accepted times.
        may_hold_nul: whether a text may contain U+0000, which JSON can write only as an escape.
        source: the name of the source that sent it.
        long_events: reads the events with long numbers.
        plan: the source's tracking plan; None if it has none.
        added: properties that are added to those of the events.
        time_slice: says when to let others run; None for a single event.
    """

    bounds: TimeBounds
    may_hold_nul: bool
    source: str
    long_events: LongEvents
    plan: TrackingPlan | None = None
    added: AddedProperties = NO_PROPERTIES
    time_slice: TimeSlice | None = None


class InvalidEventError(Exception):
    """The event is invalid."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(findings)
        self.findings = findings


class ViolationError(Exception):
    """The event violates its source's tracking plan."""

    def __init__(self, violations: SchemaViolations) -> None:
        super().__init__(violations)
        self.violations = violations


def read_row(raw: Raw, context: ParseContext) -> Row:
    """The row for one event's JSON.

    Raises:
        InvalidEventError: if it is refused.
        TooLongError: if it is too large with its numbers written out.
        ViolationError: if it violates its schema and that is enforced.
        Problem: 413 if the numbers of all events of the request add too much, 503 if it must be checked against its schema
            and checks of other sources take all the time.
    """
    event = None
    try:
        event = _decode(raw, context)
        timestamp = resolve_timestamp(event.timestamp, event.event_id, context.bounds)
    except (*UNREADABLE, RuleError):
        pass
    else:
        if not (context.may_hold_nul and b"\\u0000" in bytes(raw)) and not may_be_deep(event.properties or {}, raw):
            return _make_row(event, timestamp, memoryview(raw).nbytes, context)
    explanation = explain(bytes(raw), context.bounds)
    if context.time_slice:  # `explain` takes some hundred times as long as reading a valid event
        context.time_slice.yield_when_over()
    if explanation.timestamp is None or explanation.findings:
        raise InvalidEventError(explanation.findings)
    if event is None or explanation.replaced:
        event = _read_repaired(bytes(raw), context)
    return _make_row(event, explanation.timestamp, memoryview(raw).nbytes, context, explanation.replaced)


def _decode(raw: Raw, context: ParseContext) -> Event:
    try:
        return _read_event(raw)
    except LongNumberError:
        return context.long_events.read(raw)


def _read_repaired(raw: bytes, context: ParseContext) -> Event:
    """Read a valid event that the decoder refuses or PostgreSQL couldn't store. It is read without its timestamp."""
    fields = _read_fields(replace_unstorable(raw))
    fields.pop("timestamp", None)
    return _decode(_write(fields), context)


def _make_row(
    event: Event, timestamp: datetime, size: int, context: ParseContext, replaced: Finding | None = None
) -> Row:
    """Check an event of `size` bytes against the plan of its source, and make its row."""
    properties = event.properties or {}
    violations, is_checked = None, True
    if context.plan:
        try:
            violations = context.plan.find_violations(event.event_type, properties, size)
        except UncheckedError:
            is_checked = False
        except BusyError:
            if context.plan.enforced:
                raise _checks_busy() from None
            is_checked = False
        if violations and context.plan.enforced:
            raise ViolationError(violations)
    return Row(
        event.user_id,
        timestamp,
        uuid7().bytes if event.event_id is None else event.event_id.bytes,
        event.event_type,
        event.session_id,
        _write({**context.added, **properties} if context.added else properties),
        context.source,
        violations,
        is_checked,
        replaced,
    )


def _checks_busy() -> Problem:
    return Problem(
        503,
        "checks_busy",
        "Holding events to schemas takes too long at present. Nothing of this request is stored: send it again.",
    )
