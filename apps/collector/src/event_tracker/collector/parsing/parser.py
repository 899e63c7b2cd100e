"""A request's body as events, or every error in it.

msgspec reads what is valid, at 1 to 2 µs an event; what it refuses, or can't be sure of, goes to `explain`. What is valid all
the same is read again then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from uuid_utils import uuid7

from event_tracker.collector.parsing.batch_elements import UNREADABLE as UNREADABLE
from event_tracker.collector.parsing.batch_elements import Batch, Raw, no_json, split_body
from event_tracker.collector.parsing.enrichment import NOTHING, Added
from event_tracker.collector.parsing.number_lengths import LongNumberError, LongNumbers, TooLongError, read_short_float
from event_tracker.collector.parsing.validation_errors import Finding, explain, may_be_deep
from event_tracker.collector.tracking_plan.plans import TrackingPlan, Violated
from event_tracker.collector.tracking_plan.slow_checks import BusyError, UncheckedError
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.unstorable import replace_unstorable
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import Event, EventError, RuleError, Span, resolve_timestamp

_read_event = msgspec.json.Decoder(Event, float_hook=read_short_float).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode

LOOKED_AT = 16
"""Events between two looks at the clock."""

LARGE_BYTES = 4096
"""Behind an event of as many it is looked at in any case."""

UNCHECKED = "Was not held to its schema: checking events takes too long at present."


class Row(msgspec.Struct, frozen=True, gc=False):
    """An event as it is stored. The first three fields identify it.

    Attributes:
        timestamp: in UTC.
        event_id: the 16 bytes of a UUID.
        properties: JSON.
        source: the name of the source that it came in by.
        violated: how it violates its schema, where such events are stored all the same.
        is_checked: False if it wasn't held to its schema, since there was no time for it.
        replaced: which characters of its properties were replaced, as a warning.
    """

    user_id: str
    timestamp: datetime
    event_id: bytes
    event_type: str
    session_id: str | None
    properties: bytes
    source: str
    violated: Violated | None = None
    is_checked: bool = True
    replaced: Finding | None = None


class LongEvents:
    """Reads those events of one request that have numbers which PostgreSQL writes much longer than they were sent.

    Args:
        most_event_bytes: how large an event may be with its numbers written out.
        most_added: how many bytes that may add to all events together.
    """

    def __init__(self, most_event_bytes: int, most_added: int) -> None:
        self._most_event_bytes = most_event_bytes
        self._most_added = most_added
        self._added = 0

    def read(self, raw: Raw) -> Event:
        """The event.

        Raises:
            one of UNREADABLE: if it isn't one.
            TooLongError: if it is too large with its numbers written out.
            Problem: 413 if all events together are.
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
    """What is known of a body before its events are read.

    Attributes:
        span: the times that are taken.
        may_hold_nul: whether a text in it could have the character U+0000, which JSON can only write as an escape.
        source: the name of the source that it came in by.
        long_events: reads those that have long numbers.
        plan: what that source's events must be; None is anything.
        added: properties that the events get beside their own.
        time_slice: when others run; None if this is one event.
    """

    span: Span
    may_hold_nul: bool
    source: str
    long_events: LongEvents
    plan: TrackingPlan | None = None
    added: Added = NOTHING
    time_slice: TimeSlice | None = None


class Refused(NamedTuple):
    """A refused event: which of the request, from 0, and its bytes."""

    which: int
    raw: bytes


@dataclass(slots=True)
class Parsed:
    """A request's events.

    Attributes:
        rows: the valid ones, in the request's order.
        errors: what is wrong with the others.
        received: how many there were.
        refused: the others themselves, as they were sent.
        warnings: how valid ones violate their schemas, where they are stored all the same, which weren't looked at, and where
            characters were replaced.
    """

    rows: list[Row]
    errors: list[EventError]
    received: int
    is_batch: bool
    warnings: list[EventError] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """How many events were refused; one may have several errors."""
        return self.received - len(self.rows)

    def place(self, index: int) -> str:
        """JSON Pointer to one of the events."""
        return f"/{index}" if self.is_batch else ""


class Parser:
    """Reads bodies within the limits of one collector.

    Args:
        max_events: of one body.
        max_event_bytes: of one event.
        max_body_bytes: that the numbers of one body may add to it, written out.
        earliest: the earliest time that is taken, UTC.
    """

    def __init__(self, max_events: int, max_event_bytes: int, max_body_bytes: int, earliest: datetime) -> None:
        self.max_events = max_events
        self.max_event_bytes = max_event_bytes
        self.max_body_bytes = max_body_bytes
        self.earliest = earliest

    def parse(self, body: bytes, *, ndjson: bool, source: str, plan: TrackingPlan | None = None) -> Parsed:
        """Read a body that came in by a source.

        Raises:
            Problem: 400 if it isn't JSON, 413 if it holds too many events, is one that is too large, or has too many long numbers.
        """
        return self.read(split_body(body, self.max_events, ndjson=ndjson), source=source, plan=plan)

    def read(self, batch: Batch, *, source: str, plan: TrackingPlan | None = None, added: Added = NOTHING) -> Parsed:
        """Read the events of a body, in time linear in their bytes. Gives way to other requests meanwhile.

        Raises:
            Problem: 400 if it isn't JSON, 413 if it is one event that is too large or has too many long numbers, 503 if there is no
                time to hold an event to its schema and its source's are enforced.
        """
        long_events = LongEvents(self.max_event_bytes, self.max_body_bytes)
        context = ParseContext(
            Span(self.earliest, datetime.now(UTC)), batch.may_hold_nul, source, long_events, plan, added
        )
        return (
            self._read_batch(batch, context) if batch.is_batch else self._read_single(bytes(batch.events[0]), context)
        )

    def _read_single(self, raw: bytes, context: ParseContext) -> Parsed:
        if len(raw) > self.max_event_bytes:
            raise Problem(413, "event_too_large", self._too_large(len(raw)))
        parsed = Parsed([], [], 1, is_batch=False)
        _read_into(parsed, 0, raw, context)
        if parsed.errors and parsed.errors[0].code == "invalid_json":
            raise no_json(parsed.errors[0].detail.removesuffix("."))
        if parsed.errors and parsed.errors[0].code == "event_too_large":
            raise Problem(413, "event_too_large", parsed.errors[0].detail)
        return parsed

    def _read_batch(self, batch: Batch, context: ParseContext) -> Parsed:
        """The events of a batch. None is read before its size is known; one that is too large is refused whatever it holds."""
        parsed = Parsed([], [], len(batch.events), is_batch=True)
        time_slice = TimeSlice()
        context = context._replace(time_slice=time_slice)
        for index, raw in enumerate(batch.events):
            size = memoryview(raw).nbytes
            self._read_one(parsed, index, raw, size, context)
            if index % LOOKED_AT == 0 or size >= LARGE_BYTES:
                time_slice.yield_when_over()
        for found in parsed.errors if batch.is_array else ():
            if found.code == "invalid_json":
                raise no_json(f"at {found.pointer}: {found.detail.removesuffix('.')}")
        return parsed

    def _read_one(self, parsed: Parsed, index: int, raw: Raw, size: int, context: ParseContext) -> None:
        if size > self.max_event_bytes:
            parsed.errors += _errors(index, f"/{index}", [("", "event_too_large", self._too_large(size))])
            parsed.refused.append(Refused(index, bytes(raw)))
        else:
            _read_into(parsed, index, raw, context)

    def _too_large(self, size: int) -> str:
        return f"An event may have {self.max_event_bytes} bytes; this one has {size}."


class InvalidEventError(Exception):
    """The event isn't one."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(findings)
        self.findings = findings


class ViolationError(Exception):
    """The event is one, but not what its source's plan says."""

    def __init__(self, violated: Violated) -> None:
        super().__init__(violated)
        self.violated = violated


def _read_into(parsed: Parsed, index: int, raw: Raw, context: ParseContext) -> None:
    """Read one event of a request into what is parsed of it."""
    try:
        row = read_row(raw, context)
    except TooLongError as error:
        parsed.errors += _errors(index, parsed.place(index), [("", "event_too_large", str(error))])
        parsed.refused.append(Refused(index, bytes(raw)))
    except InvalidEventError as error:
        parsed.errors += _errors(index, parsed.place(index), error.findings)
        parsed.refused.append(Refused(index, bytes(raw)))
    except ViolationError as error:
        parsed.errors += _violations(index, parsed.place(index), error.violated)
        parsed.refused.append(Refused(index, bytes(raw)))
    else:
        parsed.rows.append(row)
        if row.violated:
            parsed.warnings += _violations(index, parsed.place(index), row.violated)
        if not row.is_checked:
            parsed.warnings.append(EventError(index, parsed.place(index), "schema_set_aside", UNCHECKED))
        if row.replaced:
            parsed.warnings += _errors(index, parsed.place(index), [row.replaced])


def read_row(raw: Raw, context: ParseContext) -> Row:
    """The row for one event's JSON.

    Raises:
        InvalidEventError: if it is refused.
        TooLongError: if it is too large with its numbers written out.
        ViolationError: if it is refused for its schema.
        Problem: 413 if all events of its request are too large with their numbers written out, 503 if it must be held to its
            schema, and others' checks take all the time.
    """
    event = None
    try:
        event = _decode(raw, context)
        timestamp = resolve_timestamp(event.timestamp, event.event_id, context.span)
    except (*UNREADABLE, RuleError):
        pass
    else:
        if not (context.may_hold_nul and b"\\u0000" in bytes(raw)) and not may_be_deep(event.properties or {}, raw):
            return _row(event, timestamp, memoryview(raw).nbytes, context)
    explanation = explain(bytes(raw), context.span)
    if context.time_slice:  # that took some hundred times as long as reading an event that nothing is wrong with
        context.time_slice.yield_when_over()
    if explanation.timestamp is None or explanation.findings:
        raise InvalidEventError(explanation.findings)
    if event is None or explanation.replaced:
        event = _read_mended(bytes(raw), context)
    return _row(event, explanation.timestamp, memoryview(raw).nbytes, context, explanation.replaced)


def _decode(raw: Raw, context: ParseContext) -> Event:
    try:
        return _read_event(raw)
    except LongNumberError:
        return context.long_events.read(raw)


def _read_mended(raw: bytes, context: ParseContext) -> Event:
    """An event that the decoder refuses, or wouldn't be stored, though it is valid; without its timestamp."""
    fields = _read_fields(replace_unstorable(raw))
    fields.pop("timestamp", None)
    return _decode(_write(fields), context)


def _row(event: Event, timestamp: datetime, size: int, context: ParseContext, replaced: Finding | None = None) -> Row:
    """The row for an event of so many bytes, held to the plan of its source."""
    properties = event.properties or {}
    violated, is_checked = None, True
    if context.plan:
        try:
            violated = context.plan.violated(event.event_type, properties, size)
        except UncheckedError:
            is_checked = False
        except BusyError:
            if context.plan.enforced:
                raise _busy() from None
            is_checked = False
        if violated and context.plan.enforced:
            raise ViolationError(violated)
    return Row(
        event.user_id,
        timestamp,
        uuid7().bytes if event.event_id is None else event.event_id.bytes,
        event.event_type,
        event.session_id,
        _write({**context.added, **properties} if context.added else properties),
        context.source,
        violated,
        is_checked,
        replaced,
    )


def _busy() -> Problem:
    return Problem(
        503,
        "checks_busy",
        "Holding events to schemas takes too long at present. Nothing of this request is stored: send it again.",
    )


def _violations(index: int, prefix: str, violated: Violated) -> list[EventError]:
    return [
        EventError(index, f"{prefix}/properties{pointer}", "schema_violation", detail, violated.version)
        for pointer, detail in violated.found
    ]


def _errors(index: int, prefix: str, findings: Iterable[Finding]) -> list[EventError]:
    return [EventError(index, prefix + pointer, code, detail) for pointer, code, detail in findings]
