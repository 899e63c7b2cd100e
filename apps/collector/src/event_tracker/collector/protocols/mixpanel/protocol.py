"""The protocol of Mixpanel's clients: `/import` and `/track`, with a form or with JSON (docs/clients/mixpanel.md)."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from msgspec import UNSET, Meta, UnsetType

from event_tracker.collector.parsing.batch import WHITESPACE
from event_tracker.collector.post_event import Intake
from event_tracker.collector.protocols.body_keys import find_event_key, find_key_of_first, read_key_members
from event_tracker.collector.protocols.endpoint import PROBLEMS, ProtocolEndpoint, make_post_routes
from event_tracker.collector.protocols.mapping import Messages, split_messages
from event_tracker.collector.protocols.mixpanel.events import map_event
from event_tracker.collector.protocols.mixpanel.forms import is_json, read_data
from event_tracker.collector.protocols.protocol import (
    ClientAnswer,
    ClientReceipt,
    accept_in_json,
    find_write_key,
    read_basic,
    refuse_in_json,
)
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.routes import Answer, Route
from event_tracker.model.event import EventError

IMPORT = "/import"
PATHS = (IMPORT, "/track")

HOW = "Give it to your client as its project token, or as its API secret."

STATUSES = {415: 400, 422: 400}
"""Mixpanel's API documents neither 415 nor 422, and programs needn't expect them: what is wrong with a request is a 400 there."""

REFUSED = "some data points in the request failed validation"

_encode = msgspec.json.Encoder().encode


class MixpanelReceipt(ClientReceipt, frozen=True):
    """What became of the events. If all are stored, or were before, it is only `status` and `error`."""

    status: Annotated[int, Meta(description="Always 1: what was refused needn't be sent again.")] = 1
    error: None = None


class FailedRecord(msgspec.Struct, frozen=True):
    """An event that was refused, as Mixpanel lists it."""

    index: int
    field: str
    message: str


class ImportReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events of /import with JSON. Those that aren't listed needn't be sent again."""

    code: int = 200
    num_records_imported: int
    status: str = "OK"
    error: str | UnsetType = UNSET
    failed_records: Sequence[FailedRecord] | UnsetType = UNSET


class Mixpanel:
    """What Mixpanel's clients post."""

    name = "mixpanel"
    has_key_in_body = True

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes

    def find_key(self, environ: WSGIEnvironment, parameters: Mapping[str, str]) -> str | None:
        """The API secret, which is the user of Basic authentication, or a service account's secret, which is the password; or a key
        as POST /events takes it. Without these, the token in the events is it."""
        user, password = read_basic(environ.get("HTTP_AUTHORIZATION", ""))
        return password or user or find_write_key(environ, parameters, "api_key")

    def find_key_in_body(self, body: bytes) -> str | None:
        """The token of the first event."""
        sent = (body if is_json(body) else read_data(body)).lstrip(WHITESPACE)
        if sent.startswith(b"["):
            return find_key_of_first(sent, self._max_bytes)
        return find_event_key(read_key_members(sent), self._max_bytes)

    def open(self, body: bytes, environ: WSGIEnvironment, max_messages: int) -> Messages:
        """Find the events: an array, or one alone."""
        sent = (body if is_json(body) else read_data(body)).lstrip(WHITESPACE)
        if sent.startswith(b"["):
            return Messages(split_messages(sent, max_messages), self._max_bytes, "", map_event)
        return Messages([sent], self._max_bytes, None, map_event)

    def answer(self, receipt: BatchReceipt, environ: WSGIEnvironment) -> ClientAnswer:
        """Of /import with JSON, the events that were refused are listed. With a form, others than success would make the client for
        Python keep all, and fail with them again each time."""
        if _is_import(environ):
            return _answer_import(receipt)
        if ("verbose", "0") in parse_qsl(environ.get("QUERY_STRING", "")):
            return ClientAnswer(200, b"1", "text/plain")
        return accept_in_json(receipt, MixpanelReceipt)

    def refuse(self, problem: Problem, environ: WSGIEnvironment) -> Problem:
        """Clients read `status`, which isn't 1, and `error`."""
        refused = refuse_in_json(problem, HOW, STATUSES)
        refused.extra["error"] = refused.detail
        return refused


def _is_import(environ: WSGIEnvironment) -> bool:
    is_form = environ.get("CONTENT_TYPE", "").lower().startswith("application/x-www-form-urlencoded")
    return environ["PATH_INFO"].rstrip("/") == IMPORT and not is_form


def _answer_import(receipt: BatchReceipt) -> ClientAnswer:
    imported = receipt.received - receipt.rejected
    if not receipt.rejected:
        return ClientAnswer(200, _encode(ImportReceipt(num_records_imported=imported)))
    failed = [_name_failed(error) for error in (() if receipt.errors is UNSET else receipt.errors)]
    refused = ImportReceipt(
        code=400, num_records_imported=imported, status="Bad Request", error=REFUSED, failed_records=failed
    )
    return ClientAnswer(400, _encode(refused))


def _name_failed(error: EventError) -> FailedRecord:
    """An error by the name of its field, as `properties.time`."""
    field = error.pointer.removeprefix(f"/{error.index}").lstrip("/").replace("/", ".")
    return FailedRecord(error.index, field, f"{error.code}: {error.detail}")


def mixpanel_routes(intake: Intake) -> list[Route]:
    """The routes."""
    endpoint = ProtocolEndpoint(intake, Mixpanel(intake.settings.max_event_bytes))

    def post_mixpanel(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        return endpoint.respond(environ, start_response)

    return make_post_routes(
        post_mixpanel,
        PATHS,
        "Store events of a Mixpanel client for servers.",
        tag="clients",
        description="An array of events, or one event; as JSON, or in the field `data` of a form. Other paths: `/track`. "
        "`docs/clients/mixpanel.md` has what becomes of an event.",
        body={"type": "array", "items": {"type": "object"}},
        answers={
            200: Answer(
                "All are stored or known. For a form, `status` is 1, and `errors` says what was refused.", ImportReceipt
            ),
            400: Answer(
                "Not a request of this protocol, which is a problem; or events were refused, and `failed_records` says why.",
                ImportReceipt,
            ),
        },
        problems=PROBLEMS,
    )
