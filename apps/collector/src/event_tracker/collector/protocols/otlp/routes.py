"""The route of OpenTelemetry's logs."""

from wsgiref.types import StartResponse, WSGIEnvironment

from event_tracker.collector.post_event import Intake
from event_tracker.collector.protocols.endpoint import PROBLEMS, ProtocolEndpoint, make_post_routes
from event_tracker.collector.protocols.otlp.protocol import JSON, PROTOBUF, OtlpLogs
from event_tracker.collector.routes import WRITE_KEY
from event_tracker.core.http.routes import Answer, Route

PATH = "/v1/logs"

ARRAY = {"type": "array", "items": {"type": "object"}}

RESPONSE = {
    "type": "object",
    "properties": {
        "partialSuccess": {
            "type": "object",
            "properties": {"rejectedLogRecords": {"type": "string"}, "errorMessage": {"type": "string"}},
        }
    },
}

STATUS = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}

DESCRIPTION = (
    "OTLP/HTTP, in JSON or protobuf; the answer is in the encoding of the request. Log records with an event name become events, others "
    "count as rejected and aren't kept. `docs/clients/opentelemetry.md` has what becomes of a record."
)


def otlp_routes(intake: Intake) -> list[Route]:
    """The routes."""
    endpoint = ProtocolEndpoint(intake, OtlpLogs(intake.settings.max_event_bytes))

    def post_logs(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        return endpoint.respond(environ, start_response)

    problems = {
        **{status: said for status, said in PROBLEMS.items() if status != 408},
        413: "Too many bytes or records.",
        415: "A media type that isn't understood.",
    }
    return make_post_routes(
        post_logs,
        [PATH],
        "Store events that are log records of OpenTelemetry.",
        tag="clients",
        description=DESCRIPTION,
        parameters=[WRITE_KEY],
        body={
            JSON: {"type": "object", "properties": {"resourceLogs": ARRAY}},
            PROTOBUF: {"type": "string", "format": "binary"},
        },
        answers={200: Answer("Events are stored or known; `partialSuccess` says what was refused.", RESPONSE)},
        problems={status: Answer(said, STATUS) for status, said in problems.items()},
    )
