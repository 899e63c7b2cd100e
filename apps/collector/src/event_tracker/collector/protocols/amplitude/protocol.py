"""The protocol of Amplitude's clients: `/2/httpapi`. Its Batch API has the same bodies and answers (docs/clients/amplitude.md)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from msgspec import UNSET, Meta, UnsetType

from event_tracker.collector.post_event import Intake
from event_tracker.collector.protocols.amplitude.events import map_event
from event_tracker.collector.protocols.body_keys import read_key, read_key_members
from event_tracker.collector.protocols.endpoint import PROBLEMS, ProtocolEndpoint, make_post_routes
from event_tracker.collector.protocols.json_members import read_body_members
from event_tracker.collector.protocols.mapping import Messages, split_messages
from event_tracker.collector.protocols.protocol import (
    ClientAnswer,
    ClientReceipt,
    find_write_key,
    refuse_in_json,
)
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.routes import Answer, Route, problem
from event_tracker.model.event import EventError

PATHS = ("/2/httpapi",)

HOW = "Give it to your client as its API key."

STATUSES = {415: 400, 422: 400}
"""413 stays: Amplitude's clients send smaller batches then."""

MISSING_FIELDS = {400: "events", 401: "api_key", 403: "api_key"}
"""The member that is wrong, by status. Without it, Amplitude's clients send a refused request again, some twelve times in all."""

MISSING = frozenset({"required", "timestamp_required"})
"""Codes of errors of fields that an event lacks."""

REFUSED = "Events were refused: those that are listed by the names of their fields. The others needn't be sent again."

PROBLEMS_OF_AMPLITUDE = {**PROBLEMS, 413: "Too many bytes or events: Amplitude's clients send smaller batches then."}

_encode = msgspec.json.Encoder().encode

Indexes = Annotated[dict[str, list[int]], Meta(description="Name of a field → the events, by their position.")]


class AmplitudeReceipt(ClientReceipt, frozen=True, kw_only=True):
    """What became of the events. If all are stored, or were before, it is only `code` and `events_ingested`."""

    code: Annotated[int, Meta(description="The status again: Amplitude's clients read it here.")] = 200
    events_ingested: int
    error: str | UnsetType = UNSET
    events_with_missing_fields: Indexes | UnsetType = UNSET
    events_with_invalid_fields: Indexes | UnsetType = UNSET


class AmplitudeProblem(msgspec.Struct):
    """Problem details, in which `code` is the status and the problem's own code begins `error`."""

    type: str
    title: str
    status: int
    code: int
    detail: str
    error: str
    message: str
    request_id: str


class Amplitude:
    """What Amplitude's clients post."""

    name = "amplitude"
    has_key_in_body = True

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes

    def find_key(self, environ: WSGIEnvironment, parameters: Mapping[str, str]) -> str | None:
        """Amplitude's clients have it in the body; others may send it as to POST /events."""
        return find_write_key(environ, parameters, "api_key")

    def find_key_in_body(self, body: bytes) -> str | None:
        """`api_key` of the body."""
        return read_key(read_key_members(body), "api_key")

    def open(self, body: bytes, environ: WSGIEnvironment, max_messages: int) -> Messages:
        """Find the events."""
        messages = split_messages(read_body_members(body).get("events", b""), max_messages)
        return Messages(messages, self._max_bytes, "/events", map_event)

    def answer(self, receipt: BatchReceipt, environ: WSGIEnvironment) -> ClientAnswer:
        """200; or 400 if an event was refused. Amplitude's clients report those that it lists as failed, and send the others again,
        which are duplicates then."""
        ingested = receipt.received - receipt.rejected
        if not receipt.rejected:
            return ClientAnswer(200, _encode(AmplitudeReceipt(events_ingested=ingested)))
        errors = [] if receipt.errors is UNSET else receipt.errors
        refused = AmplitudeReceipt(
            **{name: getattr(receipt, name) for name in ClientReceipt.__struct_fields__},
            code=400,
            events_ingested=ingested,
            error=REFUSED,
            events_with_missing_fields=_list_by_field(errors, are_missing=True),
            events_with_invalid_fields=_list_by_field(errors, are_missing=False),
        )
        return ClientAnswer(400, _encode(refused))

    def refuse(self, problem: Problem, environ: WSGIEnvironment) -> Problem:
        """Amplitude's clients take `code` for the status. They send again after 408, 413, 429 and 5xx."""
        refused = refuse_in_json(problem, HOW, STATUSES)
        refused.extra |= {"code": refused.status, "error": f"{refused.code}: {refused.detail}"}
        if refused.status in MISSING_FIELDS:
            refused.extra["missing_field"] = MISSING_FIELDS[refused.status]
        return refused


def amplitude_routes(intake: Intake) -> list[Route]:
    """The routes."""
    endpoint = ProtocolEndpoint(intake, Amplitude(intake.settings.max_event_bytes))

    def post_amplitude(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        return endpoint.respond(environ, start_response)

    return make_post_routes(
        post_amplitude,
        PATHS,
        "Store events of an Amplitude client.",
        tag="clients",
        description="A batch. `docs/clients/amplitude.md` has what becomes of an event.",
        body={
            "type": "object",
            "properties": {"api_key": {"type": "string"}, "events": {"type": "array"}},
            "required": ["events"],
        },
        answers={
            200: Answer("All are stored or known.", AmplitudeReceipt),
            400: Answer(
                "Not a request of this protocol, which is a problem; or events were refused: they are listed by the names of "
                "their fields, and the others are stored or known.",
                AmplitudeReceipt,
            ),
        },
        problems={status: problem(text, AmplitudeProblem) for status, text in PROBLEMS_OF_AMPLITUDE.items()},
    )


def _list_by_field(errors: Sequence[EventError], *, are_missing: bool) -> dict[str, list[int]]:
    """The positions of events by the names of their fields that are missing, or invalid."""
    found: defaultdict[str, dict[int, None]] = defaultdict(dict)
    for error in errors:
        if (error.code in MISSING) is are_missing:
            _, _, _, *names = error.pointer.split("/", 4)  # /events/3/time
            found[names[0] if names else "event"][error.index] = None
    return {field: list(indexes) for field, indexes in found.items()}
