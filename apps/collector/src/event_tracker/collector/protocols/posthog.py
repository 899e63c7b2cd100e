"""The protocol of PostHog's clients for servers: batches of events with a `distinct_id` (docs/clients/posthog.md).

Its client for browsers isn't served: it wants a configuration and feature flags first, which change each month.
"""

from collections.abc import Mapping
from typing import Annotated
from wsgiref.types import StartResponse, WSGIEnvironment

from msgspec import Meta

from event_tracker.collector.parsing.batch import WHITESPACE, Raw
from event_tracker.collector.post_event import Intake
from event_tracker.collector.protocols.body_keys import find_event_key, find_key_of_first, read_key_members
from event_tracker.collector.protocols.endpoint import PROBLEMS, ProtocolEndpoint, make_post_routes
from event_tracker.collector.protocols.json_members import (
    read_body_members,
)
from event_tracker.collector.protocols.mapping import Messages, split_messages
from event_tracker.collector.protocols.posthog_messages import map_message
from event_tracker.collector.protocols.protocol import (
    ClientAnswer,
    ClientReceipt,
    answer_in_json,
    find_write_key,
    refuse_in_json,
)
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.routes import Answer, Route

PATHS = ("/batch", "/capture", "/i/v0/e")

HOW = "Give it to your client as its project API key."

STATUSES = {415: 400, 422: 400}
"""413 stays: PostHog's client for Node.js halves its batch then, and goes on."""


class PostHogReceipt(ClientReceipt, frozen=True):
    """What became of the events. If all are stored, or were before, it is only `status`."""

    status: Annotated[int, Meta(description="Always 1: what was refused needn't be sent again.")] = 1


class PostHog:
    """What PostHog's clients for servers post."""

    name = "posthog"
    has_key_in_body = True

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes

    def find_key(self, environ: WSGIEnvironment, parameters: Mapping[str, str]) -> str | None:
        """PostHog's clients have it in the body; others may send it as to POST /events."""
        return find_write_key(environ, parameters, "api_key")

    def find_key_in_body(self, body: bytes) -> str | None:
        """`api_key` or `token` of the body, or of its properties; of an array, those of its first event."""
        sent = body.lstrip(WHITESPACE)
        if sent.startswith(b"["):
            return find_key_of_first(sent, self._max_bytes)
        return find_event_key(read_key_members(body), self._max_bytes)

    def open(self, body: bytes, environ: WSGIEnvironment, max_messages: int) -> Messages:
        """Find the events: a batch, an array, or one alone."""
        if body.lstrip(WHITESPACE).startswith(b"["):
            return self._list(split_messages(body, max_messages), "")
        members = read_body_members(body)
        if "batch" in members:
            return self._list(split_messages(members["batch"], max_messages), "/batch")
        return self._list([body], None)

    def answer(self, receipt: BatchReceipt, environ: WSGIEnvironment) -> ClientAnswer:
        """200 and nothing else is success for PostHog's client for Python."""
        return answer_in_json(receipt, PostHogReceipt, "event")

    def refuse(self, problem: Problem, environ: WSGIEnvironment) -> Problem:
        """Clients drop what is answered with 400, 401 or 403; they send again after 408, 429 and 503."""
        return refuse_in_json(problem, HOW, STATUSES)

    def _list(self, messages: list[Raw], prefix: str | None) -> Messages:
        return Messages(messages, self._max_bytes, prefix, map_message)


def posthog_routes(intake: Intake) -> list[Route]:
    """The routes."""
    endpoint = ProtocolEndpoint(intake, PostHog(intake.settings.max_event_bytes))

    def post_posthog(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        return endpoint.respond(environ, start_response)

    return make_post_routes(
        post_posthog,
        PATHS,
        "Store events of a PostHog client for servers.",
        tag="clients",
        description="A batch, or one event. `docs/clients/posthog.md` has what becomes of it.",
        body={"type": "object", "properties": {"api_key": {"type": "string"}, "batch": {"type": "array"}}},
        answers={200: Answer("All are stored or known; or some were refused, and `errors` says why.", PostHogReceipt)},
        problems={**PROBLEMS, 413: "Too many bytes or events: PostHog's client for Node.js sends half of them then."},
    )
