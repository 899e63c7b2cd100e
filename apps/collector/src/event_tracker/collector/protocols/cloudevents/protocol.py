"""CloudEvents 1.0 over HTTP: which mode a request has, and what it is answered.

A single event is answered with 202 and nothing: a broker of Knative takes the body of a 200 for an event to pass on.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

import msgspec
from msgspec import UNSET
from werkzeug.http import parse_options_header

from event_tracker.collector.parsing.batch import UNREADABLE, WHITESPACE, NotJsonError, Raw, not_json
from event_tracker.collector.protocols.cloudevents.mapping import map_members, map_sent
from event_tracker.collector.protocols.json_members import Members, read_elements, read_members
from event_tracker.collector.protocols.protocol import (
    ClientAnswer,
    Describe,
    Mapped,
    find_write_key,
    refuse_in_json,
)
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.core.http.errors import Problem

HOW = "Send it as `Authorization: Bearer KEY`, as `X-Write-Key: KEY`, or in the URL as `?write_key=KEY`."

BATCHED = "application/cloudevents-batch"
STRUCTURED = "application/cloudevents"
FORMATS = frozenset({BATCHED, f"{BATCHED}+json", STRUCTURED, f"{STRUCTURED}+json"})

ATTRIBUTE = "HTTP_CE_"
"""How names of attributes begin in a WSGI environ."""

JSON_TYPES = re.compile(r"|(?:application|text)/json|[^/]+/[^/]+\+json")
"""Media types of JSON. Data without one is JSON, as in the JSON format."""

UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})

QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
ESCAPED = re.compile(rb"\\(.)", re.DOTALL)

_encode = msgspec.json.Encoder().encode
_require_json = msgspec.json.Decoder(msgspec.Raw).decode


class CloudEventMessages:
    """The CloudEvents of a request: as they were sent, or the members of the one that was in the headers."""

    def __init__(self, events: Sequence[Raw | Members], max_bytes: int, *, is_batch: bool) -> None:
        self.count = len(events)
        self._events = events
        self._max_bytes = max_bytes
        self._is_batch = is_batch

    def map(self, describe: Describe) -> Iterator[Mapped]:
        """Each as an event."""
        for number, event in enumerate(self._events):
            place = f"/{number}" if self._is_batch else ""
            if isinstance(event, dict):
                yield map_members(event, place, self._max_bytes)
            else:
                yield map_sent(event, place, self._max_bytes)


class CloudEvents:
    """The protocol.

    Args:
        max_data_bytes: most bytes of an event's data.
    """

    name = "cloudevents"
    has_key_in_body = False

    def __init__(self, max_data_bytes: int) -> None:
        self._max_bytes = max_data_bytes

    def find_key(self, environ: WSGIEnvironment, parameters: Mapping[str, str]) -> str | None:
        """The key where POST /events takes it."""
        return find_write_key(environ, parameters)

    def find_key_in_body(self, body: bytes) -> str | None:
        """None: bodies have no key."""
        return None

    def open(self, body: bytes, environ: WSGIEnvironment, max_messages: int) -> CloudEventMessages:
        """Find the events by the request's mode."""
        media_type, charset = read_content_type(environ)
        if media_type.startswith(STRUCTURED):
            if media_type not in FORMATS:
                detail = f"CloudEvents are read in JSON, not {media_type[:80]}."
                raise Problem(415, "unsupported_media_type", detail)
            require_utf8(charset)
        if media_type.startswith(BATCHED):
            try:
                events = read_elements(body.strip(WHITESPACE), max_messages)
            except NotJsonError as error:
                raise not_json(str(error)) from None
            if len(events) > max_messages:
                detail = f"A request may hold {max_messages} events; this one holds more."
                raise Problem(413, "too_many_events", detail)
            return CloudEventMessages(events, self._max_bytes, is_batch=True)
        if media_type.startswith(STRUCTURED):
            return CloudEventMessages([body.strip(WHITESPACE)], self._max_bytes, is_batch=False)
        attributes = read_attributes(environ)
        if not attributes:
            detail = (
                "This isn't a CloudEvent: Content-Type must be application/cloudevents+json or "
                "application/cloudevents-batch+json, or the attributes must be in headers such as ce-id."
            )
            raise Problem(400, "not_a_cloud_event", detail)
        members = {**attributes, **self._read_data(body, media_type, charset)}
        return CloudEventMessages([members], self._max_bytes, is_batch=False)

    def answer(self, receipt: BatchReceipt, environ: WSGIEnvironment) -> ClientAnswer:
        """One event, stored or known: 202 without a body. A batch: as POST /events answers it."""
        errors = [] if receipt.errors is UNSET else receipt.errors
        is_batch = read_content_type(environ)[0].startswith(BATCHED)
        if receipt.received and receipt.rejected == receipt.received:
            what = "No event of this request is valid" if is_batch else "The event isn't valid"
            is_large = not is_batch and any(error.code == "event_too_large" for error in errors)
            detail = f"{what}; nothing is stored. `errors` says why."
            raise Problem(413 if is_large else 400, "invalid_events", detail, errors=errors)
        if not is_batch:
            return ClientAnswer(HTTPStatus.ACCEPTED, b"")
        status = 207 if receipt.rejected else 202 if receipt.accepted else 200
        return ClientAnswer(status, _encode(receipt))

    def refuse(self, problem: Problem, environ: WSGIEnvironment) -> Problem:
        """Senders try again after 429 and 5xx."""
        return refuse_in_json(problem, HOW, {})

    def _read_data(self, body: bytes, media_type: str, charset: str) -> Members:
        """The data of an event whose attributes are in headers, as they are in JSON."""
        if len(body) > self._max_bytes:
            detail = f"Data may have {self._max_bytes} bytes; these are {len(body)}."
            raise Problem(413, "event_too_large", detail)
        if not body:
            return {}
        if JSON_TYPES.fullmatch(media_type):
            require_utf8(charset)
            return {"data": read_json(body)}
        if not media_type.startswith("text/"):
            return {"data_base64": msgspec.Raw(_encode(base64.b64encode(body).decode()))}
        require_utf8(charset)
        try:
            return {"data": msgspec.Raw(_encode(body.decode()))}
        except UnicodeDecodeError as error:
            raise Problem(400, "invalid_text", f"The data isn't UTF-8 at byte {error.start}.") from None


def read_content_type(environ: WSGIEnvironment) -> tuple[str, str]:
    """The media type and the charset of a body, in lower case."""
    name, parameters = parse_options_header(environ.get("CONTENT_TYPE", ""))
    return name.lower(), parameters.get("charset", "").lower()


def require_utf8(charset: str) -> None:
    """Return if a charset is UTF-8, or a part of it.

    Raises:
        Problem: 415 if it isn't.
    """
    if charset not in UTF8:
        raise Problem(415, "unsupported_charset", f"The body must be UTF-8, not {charset[:40]}.")


def read_json(body: bytes) -> msgspec.Raw:
    """A body that is JSON, checked as far as it may be a part of an event. NaN and the like are left for the parser to tell of.

    Raises:
        Problem: 400 if it isn't JSON.
    """
    text = body.strip(WHITESPACE)
    try:
        return _require_json(text)
    except UNREADABLE as error:
        reason = str(error)
    try:
        return msgspec.Raw(_encode(read_members(text)))
    except NotJsonError:
        raise not_json(reason) from None


def read_attributes(environ: WSGIEnvironment) -> Members:
    """The attributes in headers, as JSON strings.

    Raises:
        Problem: 400 if one isn't UTF-8, percent-decoded.
    """
    found: Members = {}
    for header, value in environ.items():
        if header.startswith(ATTRIBUTE):
            name = header.removeprefix(ATTRIBUTE).lower()
            try:
                found[name] = msgspec.Raw(_encode(read_header(value)))
            except UnicodeDecodeError:
                detail = f"The header ce-{name[:40]} isn't UTF-8 when its percent-encoding is undone."
                raise Problem(400, "invalid_header", detail) from None
    return found


def read_header(value: str) -> str:
    """The text of a header as CloudEvents write it: quoted or not, percent-encoded once. WSGI gives bytes as Latin-1."""
    sent = value.strip(" \t").encode("latin-1")
    if quoted := QUOTED.fullmatch(sent):
        sent = ESCAPED.sub(rb"\1", quoted[1])
    return unquote_to_bytes(sent).decode()
