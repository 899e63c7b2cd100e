"""Parses a request's body: into the rows of its valid events, and the errors of the others."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from event_tracker.collector.parsing.batch_elements import Batch, Raw, not_json, split_body
from event_tracker.collector.parsing.enrichment import NO_PROPERTIES, AddedProperties
from event_tracker.collector.parsing.number_lengths import TooLongError
from event_tracker.collector.parsing.row_reader import (
    InvalidEventError,
    LongEvents,
    ParseContext,
    Row,
    ViolationError,
    read_row,
)
from event_tracker.collector.parsing.validation_errors import Finding
from event_tracker.collector.tracking_plan.plans import SchemaViolations, TrackingPlan
from event_tracker.core.http.errors import Problem
from event_tracker.core.server.cooperation import TimeSlice
from event_tracker.model.event import EventError, TimeBounds

CLOCK_INTERVAL = 16
"""Events that are read before the clock is checked."""

LARGE_BYTES = 4096
"""After an event of at least so many bytes, the clock is always checked."""

UNCHECKED = "Was not held to its schema: checking events takes too long at present."


class RefusedEvent(NamedTuple):
    """A refused event: its position in the request, from 0, and its bytes."""

    position: int
    raw: bytes


@dataclass(slots=True)
class ParseResult:
    """A request's events.

    Attributes:
        rows: the valid ones, in the request's order.
        errors: the errors of the others.
        received: how many events there were.
        refused: the refused events, as sent.
        warnings: of valid events that violate their schemas but are stored, that weren't checked, or in which characters
            were replaced.
    """

    rows: list[Row]
    errors: list[EventError]
    received: int
    is_batch: bool
    warnings: list[EventError] = field(default_factory=list)
    refused: list[RefusedEvent] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """How many events were refused; one may have several errors."""
        return self.received - len(self.rows)

    def pointer_to(self, index: int) -> str:
        """JSON Pointer to one of the events."""
        return f"/{index}" if self.is_batch else ""


class Parser:
    """Reads bodies within the limits of one collector.

    Args:
        max_events: most events of one body.
        max_event_bytes: most bytes of one event.
        max_body_bytes: most bytes that the numbers of one body may add to it when they are written out.
        earliest: the earliest time that is accepted, UTC.
    """

    def __init__(self, max_events: int, max_event_bytes: int, max_body_bytes: int, earliest: datetime) -> None:
        self.max_events = max_events
        self.max_event_bytes = max_event_bytes
        self.max_body_bytes = max_body_bytes
        self.earliest = earliest

    def parse(self, body: bytes, *, ndjson: bool, source: str, plan: TrackingPlan | None = None) -> ParseResult:
        """Parse a body that a source sent.

        Raises:
            Problem: 400 if it isn't JSON, 413 if it has too many events, is one event that is too large, or has too many long numbers.
        """
        return self.read(split_body(body, self.max_events, ndjson=ndjson), source=source, plan=plan)

    def read(
        self, batch: Batch, *, source: str, plan: TrackingPlan | None = None, added: AddedProperties = NO_PROPERTIES
    ) -> ParseResult:
        """Read the events of a body, in time linear in their bytes. Lets other requests run meanwhile.

        Raises:
            Problem: 400 if it isn't JSON, 413 if it is one event that is too large or has too many long numbers, 503 if there is no
                time to check an event against its schema, and the schema is enforced.
        """
        long_events = LongEvents(self.max_event_bytes, self.max_body_bytes)
        context = ParseContext(
            TimeBounds(self.earliest, datetime.now(UTC)), batch.may_hold_nul, source, long_events, plan, added
        )
        return (
            self._read_batch(batch, context) if batch.is_batch else self._read_single(bytes(batch.events[0]), context)
        )

    def _read_single(self, raw: bytes, context: ParseContext) -> ParseResult:
        if len(raw) > self.max_event_bytes:
            raise Problem(413, "event_too_large", self._too_large(len(raw)))
        parsed = ParseResult([], [], 1, is_batch=False)
        _read_into(parsed, 0, raw, context)
        if parsed.errors and parsed.errors[0].code == "invalid_json":
            raise not_json(parsed.errors[0].detail.removesuffix("."))
        if parsed.errors and parsed.errors[0].code == "event_too_large":
            raise Problem(413, "event_too_large", parsed.errors[0].detail)
        return parsed

    def _read_batch(self, batch: Batch, context: ParseContext) -> ParseResult:
        """Read the events of a batch. An event that is too large is refused without being read."""
        parsed = ParseResult([], [], len(batch.events), is_batch=True)
        time_slice = TimeSlice()
        context = context._replace(time_slice=time_slice)
        for index, raw in enumerate(batch.events):
            size = memoryview(raw).nbytes
            self._read_one(parsed, index, raw, size, context)
            if index % CLOCK_INTERVAL == 0 or size >= LARGE_BYTES:
                time_slice.yield_when_over()
        for found in parsed.errors if batch.is_array else ():
            if found.code == "invalid_json":
                raise not_json(f"at {found.pointer}: {found.detail.removesuffix('.')}")
        return parsed

    def _read_one(self, parsed: ParseResult, index: int, raw: Raw, size: int, context: ParseContext) -> None:
        if size > self.max_event_bytes:
            parsed.errors += _errors(index, f"/{index}", [("", "event_too_large", self._too_large(size))])
            parsed.refused.append(RefusedEvent(index, bytes(raw)))
        else:
            _read_into(parsed, index, raw, context)

    def _too_large(self, size: int) -> str:
        return f"An event may have {self.max_event_bytes} bytes; this one has {size}."


def _read_into(parsed: ParseResult, index: int, raw: Raw, context: ParseContext) -> None:
    """Read one event of a request, and add the result to `parsed`."""
    try:
        row = read_row(raw, context)
    except TooLongError as error:
        parsed.errors += _errors(index, parsed.pointer_to(index), [("", "event_too_large", str(error))])
        parsed.refused.append(RefusedEvent(index, bytes(raw)))
    except InvalidEventError as error:
        parsed.errors += _errors(index, parsed.pointer_to(index), error.findings)
        parsed.refused.append(RefusedEvent(index, bytes(raw)))
    except ViolationError as error:
        parsed.errors += _violations(index, parsed.pointer_to(index), error.violations)
        parsed.refused.append(RefusedEvent(index, bytes(raw)))
    else:
        parsed.rows.append(row)
        if row.violations:
            parsed.warnings += _violations(index, parsed.pointer_to(index), row.violations)
        if not row.is_checked:
            parsed.warnings.append(EventError(index, parsed.pointer_to(index), "schema_set_aside", UNCHECKED))
        if row.replaced:
            parsed.warnings += _errors(index, parsed.pointer_to(index), [row.replaced])


def _violations(index: int, prefix: str, violations: SchemaViolations) -> list[EventError]:
    return [
        EventError(index, f"{prefix}/properties{pointer}", "schema_violation", detail, violations.version)
        for pointer, detail in violations.errors
    ]


def _errors(index: int, prefix: str, findings: Iterable[Finding]) -> list[EventError]:
    return [EventError(index, prefix + pointer, code, detail) for pointer, code, detail in findings]
