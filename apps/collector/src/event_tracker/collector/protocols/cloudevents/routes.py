"""The routes of CloudEvents: events are posted, and senders ask before that whether they may send."""

import re
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

from event_tracker.collector.post_event import Intake
from event_tracker.collector.protocols.cloudevents.protocol import BATCHED, HOW, STRUCTURED, CloudEvents
from event_tracker.collector.protocols.endpoint import PROBLEMS, ProtocolEndpoint, make_post_routes
from event_tracker.collector.protocols.protocol import find_write_key
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.collector.routes import WRITE_KEY
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.middleware import answer
from event_tracker.core.http.routes import Answer, Route

PATH = "/cloudevents"

SENDER = re.compile(r"[A-Za-z0-9._~:/-]{1,253}")
"""How a sender may name itself: a host name, in the specification's words a DNS expression."""

EVENT = {
    "type": "object",
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string"},
        "source": {"type": "string"},
        "type": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string"},
        "userid": {"type": "string"},
        "sessionid": {"type": "string"},
        "data": {},
    },
    "required": ["specversion", "id", "source", "type"],
}

DESCRIPTION = (
    "CloudEvents 1.0: structured, batched, or with the attributes in `ce-` headers and data in the body. One event is answered with "
    "202 and no body. `OPTIONS` is the handshake of webhooks. `docs/clients/cloudevents.md` has what becomes of an event."
)


def cloudevents_routes(intake: Intake) -> list[Route]:
    """The routes."""
    endpoint = ProtocolEndpoint(intake, CloudEvents(intake.settings.max_event_bytes))

    def post_cloudevents(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return answer(start_response, 200, b"", headers=allow_sender(intake, environ))
        return endpoint.respond(environ, start_response)

    return make_post_routes(
        post_cloudevents,
        [PATH],
        "Store CloudEvents.",
        tag="clients",
        description=DESCRIPTION,
        parameters=[WRITE_KEY],
        body={
            f"{STRUCTURED}+json": EVENT,
            f"{BATCHED}+json": {"type": "array", "items": EVENT},
            "application/json": {},
            "text/plain": {"type": "string"},
        },
        answers={
            202: Answer("One event, stored or known. With KAFKA_BROKERS, also a batch that is safe with Kafka."),
            200: Answer("A batch, all stored, known or expired.", BatchReceipt),
            207: Answer("Some events of the batch were refused, the rest is stored.", BatchReceipt),
        },
        problems={
            **PROBLEMS,
            413: "Too many bytes or events.",
            415: "A format, charset or media type that isn't understood.",
        },
    )


def allow_sender(intake: Intake, environ: WSGIEnvironment) -> list[tuple[str, str]]:
    """The headers that allow a sender of webhooks to send here, at the rate of its key.

    Whoever could post with this request's key may: the key is what the owner of the source gave away. A wrong one is refused, so that
    nobody makes a sender flood a collector that expects nothing. `WebHook-Request-Callback` isn't called.

    Raises:
        Problem: 400 if the sender doesn't name itself, and what `Intake.authenticate` raises.
    """
    parameters = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    key = find_write_key(environ, parameters)
    if key is None and intake.settings.auth == "required":
        raise Problem(401, "key_required", f"A write key is required. {HOW}")
    credentials = intake.authenticate(environ, key)
    sender = environ.get("HTTP_WEBHOOK_REQUEST_ORIGIN", "")
    if not SENDER.fullmatch(sender):
        detail = "WebHook-Request-Origin must have the host name of the sender."
        raise Problem(400, "invalid_header", detail)
    rate = credentials.rate_limit  # events a second; the specification's is requests a minute
    return [
        ("Allow", "POST, OPTIONS"),
        ("WebHook-Allowed-Origin", sender),
        ("WebHook-Allowed-Rate", str(rate * 60) if rate else "*"),
    ]
