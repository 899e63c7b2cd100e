"""What a protocol is: how a request says its key, how its messages become events, and how outcomes become its answer."""

import base64
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol
from wsgiref.types import WSGIEnvironment

import msgspec
from msgspec import UNSET, UnsetType

from event_tracker.collector.parsing.validation_errors import Finding
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.middleware import bearer_token
from event_tracker.model.event import EventError

MAX_MESSAGES = 2500
"""Most messages of a request, if MAX_EVENTS isn't more: as many as clients of these protocols may send."""

MAX_BATCH_BYTES = 10 * 1024 * 1024
"""Most bytes of a body, decompressed, if MAX_BODY_BYTES isn't more: a batch of RudderStack's client for Python may be large."""

MAX_LOG_RECORDS = 10_000
"""Most log records of a request of OpenTelemetry's: its Collector sends 8,192 if nothing else is set."""

MAX_ADDED_BYTES = 4096
"""How many bytes an event may have beyond MAX_EVENT_BYTES: its message is within that limit, and names and ids are written otherwise."""

RETRY_AFTER_SECONDS = (10, 20)
"""How long clients are asked to wait for the database. They try a few times only: within these, it has restarted."""

_encode = msgspec.json.Encoder().encode

Describe = Callable[[str | None, str | None], object]
"""Takes note of a message's visitor: of the User-Agent and the address that the message has for them."""


class Mapped(msgspec.Struct, frozen=True, gc=False):
    """A message as an event.

    Attributes:
        event: the event's JSON; or the message as it was sent, if no event can be made of it.
        place: JSON Pointer to the message in the request's body.
        fields: pointers in the event → pointers in the message.
        findings: why it is refused, by pointers in the message. Without any, the parser decides.
        client: name and version of the program that made the message.
    """

    event: bytes
    place: str
    fields: Mapping[str, str]
    findings: Sequence[Finding] = ()
    client: str | None = None


class Envelope(Protocol):
    """The messages of a request, not read yet."""

    count: int
    """How many messages there are, at most."""

    def map(self, describe: Describe) -> Iterator[Mapped | None]:
        """Each message as an event, in their order; without those that nothing is to become of. None is one that counts as refused and
        isn't kept."""


class ClientAnswer(NamedTuple):
    """An answer that a protocol's clients understand."""

    status: int
    body: bytes
    content_type: str = "application/json"


class ClientReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What became of the messages, beside the word that clients take for success. If none was refused, that word is all."""

    received: int | UnsetType = UNSET
    stored: int | UnsetType = UNSET
    duplicates: int | UnsetType = UNSET
    expired: int | UnsetType = UNSET
    accepted: int | UnsetType = UNSET
    rejected: int | UnsetType = UNSET
    warnings: Sequence[EventError] | UnsetType = UNSET
    errors: Sequence[EventError] | UnsetType = UNSET


class ClientProtocol(Protocol):
    """A protocol. It keeps nothing of a request.

    Attributes:
        name: as the setting PROTOCOLS and the metrics have it.
        has_key_in_body: whether the body may have the key. Otherwise a request without one is refused before its body is read.
    """

    name: str
    has_key_in_body: bool

    def find_key(self, environ: WSGIEnvironment, parameters: Mapping[str, str]) -> str | None:
        """The key in the headers or in the query string's parameters; None if there is none.

        Raises:
            Problem: 401 if it can't be read.
        """

    def find_key_in_body(self, body: bytes) -> str | None:
        """The key that a body has; None if there is none. Nobody is charged for this, so it must not depend on what messages are.

        Raises:
            Problem: 400 if the body can't be read, 401 if the key can't.
        """

    def open(self, body: bytes, environ: WSGIEnvironment, max_messages: int) -> Envelope:
        """Find the messages of a body, without reading them.

        Raises:
            Problem: if it isn't a request of this protocol, or has more than `max_messages` messages.
        """

    def answer(self, receipt: BatchReceipt, environ: WSGIEnvironment) -> ClientAnswer:
        """The answer to a request whose messages were stored, or refused. Pointers of errors are in the request's body.

        Raises:
            Problem: if that is how the protocol says it.
        """

    def refuse(self, problem: Problem, environ: WSGIEnvironment) -> Problem:
        """A problem as the protocol's clients understand it."""


def find_write_key(environ: WSGIEnvironment, parameters: Mapping[str, str], parameter: str = "write_key") -> str | None:
    """The key where POST /events takes it, too: some senders can only be given headers, others only a URL.

    Args:
        parameter: that has the key in a URL.
    """
    return bearer_token(environ) or environ.get("HTTP_X_WRITE_KEY") or parameters.get(parameter)


def read_basic(header: str) -> tuple[str | None, str | None]:
    """User and password of Basic authentication; the user with or without the colon behind it. None for one that isn't there.

    Raises:
        Problem: 401 if it can't be read.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise unreadable_key("The Basic authentication isn't Base64 of a text") from None
    return user or None, password or None


def unreadable_key(what: str) -> Problem:
    """The problem for a key that can't be read. If it counted as none, its sender's events could be stored for another source."""
    return Problem(401, "invalid_key", f"{what}; a write key is expected there.")


def answer_in_json(receipt: BatchReceipt, receipt_type: type[ClientReceipt], noun: str) -> ClientAnswer:
    """200. If messages were refused, it says which, and why; otherwise nothing but success.

    Args:
        noun: what the protocol calls a message.

    Raises:
        Problem: 400 if none is valid.
    """
    if receipt.received and receipt.rejected == receipt.received:
        detail = f"No {noun} of this request is valid; nothing is stored. `errors` says why."
        raise Problem(400, "invalid_events", detail, errors=receipt.errors)
    return accept_in_json(receipt, receipt_type)


def accept_in_json(receipt: BatchReceipt, receipt_type: type[ClientReceipt]) -> ClientAnswer:
    """200, also if no message is valid. It says which were refused, and why."""
    names = ClientReceipt.__struct_fields__ if receipt.rejected else ()
    return ClientAnswer(200, _encode(receipt_type(**{name: getattr(receipt, name) for name in names})))


def refuse_in_json(problem: Problem, how: str, statuses: Mapping[int, int]) -> Problem:
    """A problem whose body has a `message` beside the `code`, and that names a longer time to wait.

    Clients of Segment and RudderStack want both words: without `message`, RudderStack's for Python sends a 400 again ten times.

    Args:
        how: says how a key is sent.
        statuses: those to be replaced, such as 413 by 400.
    """
    if problem.status == 503:
        problem.headers["Retry-After"] = str(random.randint(*RETRY_AFTER_SECONDS))  # noqa: S311  # spreads the clients
    detail = f"A write key is required. {how}" if problem.code == "key_required" else problem.detail
    status = statuses.get(problem.status, problem.status)
    return Problem(status, problem.code, detail, headers=problem.headers, message=detail, **problem.extra)
