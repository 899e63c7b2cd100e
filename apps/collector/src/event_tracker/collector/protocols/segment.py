"""The protocol of Segment and RudderStack: their clients post messages under /v1 (docs/clients/segment.md, rudderstack.md)."""

from collections.abc import Iterator, Mapping
from typing import Annotated
from wsgiref.types import WSGIEnvironment

import msgspec
from msgspec import Meta

from event_tracker.collector.parsing.batch import NotJsonError, Raw, not_json
from event_tracker.collector.protocols.body_keys import read_key, read_key_members
from event_tracker.collector.protocols.json_members import (
    Members,
    is_empty,
    read_body_members,
    read_elements,
    read_members,
)
from event_tracker.collector.protocols.protocol import (
    MAX_BATCH_BYTES,
    ClientAnswer,
    ClientReceipt,
    Describe,
    Mapped,
    answer_in_json,
    read_basic,
    refuse_in_json,
)
from event_tracker.collector.protocols.segment_messages import TYPES, MessageMapper
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.middleware import bearer_token
from event_tracker.core.secrets.keys import prefix_of

BATCH_PATHS = ("/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch")

TYPES_BY_PATH = {f"/v1/{name}": name for name in TYPES} | {f"/v1/{name[0]}": name for name in TYPES}
"""Paths of one message: RudderStack's client for browsers posts to `/v1/track`, Segment's to `/v1/t`."""

HOW = "Give it to your client as its write key; in a request of your own, send `Authorization: Basic base64(KEY:)` or `writeKey`."

STATUSES = {408: 408, 413: 400, 415: 400, 422: 400}

_encode = msgspec.json.Encoder().encode


class SegmentReceipt(ClientReceipt, frozen=True):
    """What became of the messages. If all are stored, or were before, it is only `success`."""

    success: Annotated[bool, Meta(description="Always true: what was refused needn't be sent again.")] = True


SUCCESS = _encode(SegmentReceipt())


class SegmentMessages:
    """The messages of one request.

    Args:
        messages: as they were sent.
        context: what a batch says of all of them.
        message_type: by the path, if that is of one message.
    """

    def __init__(
        self,
        messages: list[Raw],
        max_bytes: int,
        context: Members | None = None,
        message_type: str | None = None,
    ) -> None:
        self.count = len(messages)
        self._messages = messages
        self._max_bytes = max_bytes
        self._context = context or {}
        self._type = message_type

    def map(self, describe: Describe) -> Iterator[Mapped]:
        """Each message as an event."""
        mapper = MessageMapper(describe, self._context, self._max_bytes)
        for number, message in enumerate(self._messages):
            yield mapper.map(message, "" if self._type else f"/batch/{number}", self._type)


class Segment:
    """Segment's HTTP API, as RudderStack has it, too."""

    name = "segment"
    has_key_in_body = True

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes

    def find_key(self, environ: WSGIEnvironment, parameters: Mapping[str, str]) -> str | None:
        """The user of Basic authentication, a key as POST /events takes it, or `writeKey` of the query string."""
        bearer = bearer_token(environ)  # another token than a write key is one of OAuth: the key is in the body then
        return (
            read_basic(environ.get("HTTP_AUTHORIZATION", ""))[0]
            or (bearer if bearer and prefix_of(bearer) else None)
            or environ.get("HTTP_X_WRITE_KEY")
            or parameters.get("writeKey")
            or None
        )

    def find_key_in_body(self, body: bytes) -> str | None:
        """`writeKey` of the body."""
        return read_key(read_key_members(body), "writeKey")

    def open(self, body: bytes, environ: WSGIEnvironment, max_messages: int) -> SegmentMessages:
        """Find the messages. A message's own size has a limit; so has what a batch says of all."""
        path = environ["PATH_INFO"].rstrip("/")
        members = read_body_members(body)
        if message_type := TYPES_BY_PATH.get(path):
            return SegmentMessages([body], self._max_bytes, message_type=message_type)
        try:
            messages = read_elements(members.get("batch", b""), max_messages)
            context = _read_context(members, len(messages))
        except NotJsonError as error:
            raise not_json(f"`batch` must be an array, `context` an object: {error}") from None
        if len(messages) > max_messages:
            detail = f"A request may hold {max_messages} messages; this one holds more."
            raise Problem(413, "too_many_events", detail)
        return SegmentMessages(messages, self._max_bytes, context)

    def answer(self, receipt: BatchReceipt, environ: WSGIEnvironment) -> ClientAnswer:
        """200 and nothing else is success for RudderStack's client for Python. What was refused is told and kept."""
        return answer_in_json(receipt, SegmentReceipt, "message")

    def refuse(self, problem: Problem, environ: WSGIEnvironment) -> Problem:
        """Clients drop what is answered with 400, 401 or 403; they send again after 408, 429 and 503."""
        return refuse_in_json(problem, HOW, STATUSES)


def _read_context(members: Members, messages: int) -> Members | None:
    """What a batch says of all its messages. It is read with each of them, so it counts for each."""
    given = members.get("context")
    if given is None or is_empty(given):
        return None
    if len(given) * messages > MAX_BATCH_BYTES:
        detail = (
            f"The context of a batch counts for each of its messages; together these may have {MAX_BATCH_BYTES} bytes."
        )
        raise Problem(413, "body_too_large", detail)
    return read_members(given)
