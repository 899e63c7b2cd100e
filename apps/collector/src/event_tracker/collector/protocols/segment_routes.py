"""The routes of Segment's protocol: those that take messages, and what clients in browsers ask for before they send any."""

from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from flask import Response, request

from event_tracker.collector.post_event import Intake
from event_tracker.collector.protocols.endpoint import PROBLEMS, ProtocolEndpoint, make_post_routes
from event_tracker.collector.protocols.protocol import read_basic
from event_tracker.collector.protocols.segment import (
    BATCH_PATHS,
    SUCCESS,
    TYPES_BY_PATH,
    Segment,
    SegmentReceipt,
)
from event_tracker.core.http.connections import read_body
from event_tracker.core.http.cors import ANY_ORIGIN
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.middleware import answer
from event_tracker.core.http.routes import PUBLIC, Answer, Route

_encode = msgspec.json.Encoder().encode

BODY = {
    "type": "object",
    "properties": {"batch": {"type": "array"}, "writeKey": {"type": "string"}},
    "required": ["batch"],
}

KEY = {"name": "key", "in": "path", "required": True, "description": "A write key.", "schema": {"type": "string"}}

STATISTICS_OFF = {"errors": {"enabled": False}, "metrics": {"enabled": False}}

UPDATED = "2026-12-01T00:00:00.000Z"
"""When the configuration below last changed."""


def segment_routes(intake: Intake) -> list[Route]:
    """The routes."""
    endpoint = ProtocolEndpoint(intake, Segment(intake.settings.max_event_bytes))

    def post_segment(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        return endpoint.respond(environ, start_response)

    def read_source_config(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """What RudderStack's client for browsers asks for: it sends nothing before it knows that its source is on."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise Problem(405, "method_not_allowed", "This is only read.", headers={"Allow": "GET"})
        key = read_basic(environ.get("HTTP_AUTHORIZATION", ""))[0]
        name = intake.authenticate(environ, key).source
        source = {
            "id": name,
            "name": name,
            "writeKey": key or "",
            "enabled": True,
            "workspaceId": name,
            "config": {"statsCollection": STATISTICS_OFF},
            "connections": [],
            "destinations": [],
            "dataplanes": {},
        }
        body = _encode({"source": source, "updatedAt": UPDATED})
        return answer(start_response, HTTPStatus.OK, body, headers=[("Cache-Control", "no-store")])

    def forget_metrics(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """What Segment's client for browsers tells of itself. It has no key, and nobody reads it."""
        read_body(environ, intake.settings.max_event_bytes, intake.settings.body_seconds)
        return answer(start_response, HTTPStatus.OK, SUCCESS)

    return [
        *make_post_routes(
            post_segment,
            [*BATCH_PATHS, *TYPES_BY_PATH],
            "Store messages of a client of Segment's or RudderStack's.",
            tag="clients",
            description="A batch of messages; one message goes to `/v1/track`, `/v1/page` and so on. The key is the user of Basic "
            "authentication, or `writeKey`. `docs/clients/segment.md` has what becomes of a message.",
            body=BODY,
            answers={200: Answer("All are stored or known; or some were refused, and `errors` says why.", SegmentReceipt)},
            problems=PROBLEMS,
        ),
        *(Route("POST", path, forget_metrics, access=PUBLIC, is_fast=True) for path in ("/v1/m", "/v1/m/")),
        *(
            Route("GET", path, read_source_config, access=PUBLIC, is_fast=True, for_pages=True)
            for path in ("/sourceConfig", "/sourceConfig/")
        ),
        Route(
            "GET", "/v1/projects/<key>/settings", read_segment_settings,
            "What Segment's client for browsers asks for before it sends anything.",
            access=PUBLIC, tag="clients", parameters=[KEY], answers={200: Answer("Where it sends to.", {"type": "object"})},
        ),
    ]  # fmt: skip


def read_segment_settings(key: str) -> Response:
    """Where Segment's client for browsers sends to: here. The same for any key: a wrong one is refused when it sends."""
    forwarded = request.headers.get("X-Forwarded-Proto", request.scheme).partition(",")[0].strip()
    sender = {"apiKey": key, "apiHost": f"{request.host}/v1", "protocol": "http" if forwarded == "http" else "https"}
    found = Response(_encode({"integrations": {"Segment.io": sender}}), content_type="application/json")
    found.headers["Cache-Control"] = "no-store"  # a cache in between would keep the host that another request names
    found.headers.add(*ANY_ORIGIN)
    return found
