"""The row of an event, and what becomes of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from event_tracker.model.event import EventError
from event_tracker.model.schema_checks import Violation


class SchemaViolations(NamedTuple):
    """How an event violates its schema: the schema's version, and the violations."""

    version: int
    errors: list[Violation]


class Row(msgspec.Struct, frozen=True, gc=False):
    """An event as it is stored. The first three fields identify it.

    Attributes:
        timestamp: in UTC.
        event_id: the 16 bytes of a UUID.
        properties: JSON.
        source: the name of the source that sent it.
        violations: how it violates its schema, if the schema isn't enforced.
        warnings: what its sender is told of it: violations, that it wasn't checked, or that characters were replaced.
    """

    user_id: str
    timestamp: datetime
    event_id: bytes
    event_type: str
    session_id: str | None
    properties: bytes
    source: str
    violations: SchemaViolations | None = None
    warnings: Sequence[EventError] = ()


class NotStorableError(Exception):
    """The database refused this one event."""


Outcome = Literal["stored", "duplicate", "expired"] | NotStorableError
"""The outcome of one event: stored, known already, expired (retention has deleted its time), or the error."""

ReceivedOutcome = Outcome | Literal["accepted"]
"""The same of an event that was received: it may also be accepted, which is safe with Kafka, and stored later."""
