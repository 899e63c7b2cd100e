"""The answers to POST /events that aren't problems, and what the outcomes of a batch's events make of its answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType, structs

from event_tracker.collector.parsing.parser import ParseResult
from event_tracker.model.event import PAST_RETENTION, EventError
from event_tracker.model.storing.row import NotStorableError, ReceivedOutcome, Row

Warnings = (
    Annotated[
        Sequence[EventError],
        Meta(
            description="What is to be known of events that aren't refused: how they violate their schemas (mode `warn`), that a "
            "schema is set aside, that characters were replaced; or that retention has deleted the events of that time, and the "
            "event isn't stored (`expired`)."
        ),
    ]
    | UnsetType
)


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a single event."""

    event_id: UUID
    timestamp: Annotated[datetime, Meta(tz=True)]
    status: Annotated[str, Meta(extra_json_schema={"enum": ["stored", "duplicate", "expired", "accepted", "valid"]})]
    warnings: Warnings = UNSET


class BatchReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of a batch. What `errors` doesn't list needn't be sent again: it is stored, accepted, or expired."""

    received: int
    stored: Annotated[int, Meta(description="New, and committed.")]
    duplicates: Annotated[int, Meta(description="Known already, or twice in this request.")]
    expired: (
        Annotated[
            int,
            Meta(description="Not stored: retention has deleted the events of that time. Left out if there are none."),
        ]
        | UnsetType
    ) = UNSET
    accepted: (
        Annotated[
            int,
            Meta(
                description="Safe with Kafka, and stored later; events known already are among them. Only with KAFKA_BROKERS."
            ),
        ]
        | UnsetType
    ) = UNSET
    rejected: int
    warnings: Warnings = UNSET
    errors: Sequence[EventError] | UnsetType = UNSET
    status: (
        Annotated[str, Meta(description="Only with dry_run.", extra_json_schema={"enum": ["valid"]})] | UnsetType
    ) = UNSET


def make_batch_receipt(
    parsed: ParseResult, outcomes: Sequence[ReceivedOutcome] | None = None
) -> tuple[int, BatchReceipt]:
    """The status and the receipt of a batch. Without outcomes, it was a dry run."""
    found = outcomes or ()
    accepted = found.count("accepted")
    receipt = BatchReceipt(
        received=parsed.received,
        stored=found.count("stored"),
        duplicates=found.count("duplicate"),
        expired=found.count("expired") or UNSET,
        accepted=accepted or UNSET,
        rejected=parsed.rejected,
        warnings=parsed.warnings or UNSET,
        errors=parsed.errors if parsed.rejected else UNSET,
        status="valid" if outcomes is None else UNSET,
    )
    return (207 if parsed.rejected else 202 if accepted else 200), receipt


def add_outcomes(parsed: ParseResult, outcomes: Sequence[ReceivedOutcome]) -> ParseResult:
    """The result, with an error for each row that the database refused, and one warning alone for each that expired."""
    invalid = {error.index for error in parsed.errors}
    positions = (index for index in range(parsed.received) if index not in invalid)
    rows: list[Row] = []
    errors, warnings = list(parsed.errors), list[EventError]()
    for index, row, outcome in zip(positions, parsed.rows, outcomes, strict=True):
        pointer = parsed.pointer_to(index)
        if isinstance(outcome, NotStorableError):
            detail = f"The database refused this event ({outcome})."
            errors.append(EventError(index, pointer, "not_storable", detail))
            continue
        rows.append(row)
        if outcome == "expired":
            warnings.append(EventError(index, pointer, "expired", PAST_RETENTION))
        else:
            warnings += row.warnings
    errors.sort(key=lambda error: error.index)
    return structs.replace(parsed, rows=rows, errors=errors, warnings=warnings)
