"""The protocol of Snowplow's trackers: what they post to a collector (docs/clients/snowplow.md)."""

from collections.abc import Mapping
from typing import Annotated
from wsgiref.types import StartResponse, WSGIEnvironment

from msgspec import Meta

from event_tracker.collector.post_event import Intake
from event_tracker.collector.protocols.endpoint import PROBLEMS, ProtocolEndpoint, make_post_routes
from event_tracker.collector.protocols.json_members import read_body_members
from event_tracker.collector.protocols.mapping import Messages, split_messages
from event_tracker.collector.protocols.protocol import (
    ClientAnswer,
    ClientReceipt,
    answer_in_json,
    find_write_key,
    refuse_in_json,
)
from event_tracker.collector.protocols.snowplow.events import map_event
from event_tracker.collector.receipts import BatchReceipt
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.routes import Answer, Route

PATHS = ("/com.snowplowanalytics.snowplow/tp2",)

HOW = "Let your tracker send the header `X-Write-Key: KEY`; or `?write_key=KEY`, if it can only be given a path."

STATUSES = {413: 400, 415: 400}
"""Trackers send again after all but 400, 401, 403, 410 and 422, without end."""


class SnowplowReceipt(ClientReceipt, frozen=True):
    """What became of the events. If all are stored, or were before, it is only `ok`."""

    ok: Annotated[bool, Meta(description="Always true: what was refused needn't be sent again.")] = True


class Snowplow:
    """What Snowplow's trackers post."""

    name = "snowplow"
    has_key_in_body = False

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes

    def find_key(self, environ: WSGIEnvironment, parameters: Mapping[str, str]) -> str | None:
        """The key where POST /events takes it: Snowplow has none."""
        return find_write_key(environ, parameters)

    def find_key_in_body(self, body: bytes) -> str | None:
        """None: bodies have no key."""
        return None

    def open(self, body: bytes, environ: WSGIEnvironment, max_messages: int) -> Messages:
        """Find the events."""
        messages = split_messages(read_body_members(body).get("data", b""), max_messages)
        return Messages(messages, self._max_bytes, "/data", map_event)

    def answer(self, receipt: BatchReceipt, environ: WSGIEnvironment) -> ClientAnswer:
        """200. There is no way to tell a tracker that some events were refused."""
        return answer_in_json(receipt, SnowplowReceipt, "event")

    def refuse(self, problem: Problem, environ: WSGIEnvironment) -> Problem:
        """Trackers drop what is answered with 400, 401, 403 or 422."""
        return refuse_in_json(problem, HOW, STATUSES)


def snowplow_routes(intake: Intake) -> list[Route]:
    """The routes."""
    endpoint = ProtocolEndpoint(intake, Snowplow(intake.settings.max_event_bytes))

    def post_snowplow(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        return endpoint.respond(environ, start_response)

    return make_post_routes(
        post_snowplow,
        PATHS,
        "Store events of a Snowplow tracker.",
        tag="clients",
        description="A batch. The key is in a header, or in the query string. `docs/clients/snowplow.md` has what becomes of an event.",
        body={
            "type": "object",
            "properties": {"schema": {"type": "string"}, "data": {"type": "array"}},
            "required": ["data"],
        },
        answers={200: Answer("All are stored or known; or some were refused, and `errors` says why.", SnowplowReceipt)},
        problems=PROBLEMS,
    )
