"""Requests of OpenTelemetry's logs, in both encodings, and what their answers say."""

import base64
import json

import requests
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

JSON, PROTOBUF = "application/json", "application/x-protobuf"
TIME = 1793527200123456789  # 2026-11-01T10:00:00.123456789Z
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"


def attributes(**values):
    return [{"key": name.replace("__", "."), "value": value} for name, value in values.items()]


def text(value):
    return {"stringValue": value}


USER = {"user__id": text("ann")}


def record(*, values=None, **more):
    found = {
        "timeUnixNano": str(TIME),
        "eventName": "order.completed",
        "attributes": attributes(**(USER if values is None else values)),
        **more,
    }
    return {name: value for name, value in found.items() if value is not None}


def logs(*records, resource=None, scope=None):
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": attributes(**(resource or {"service__name": text("shop")}))},
                "scopeLogs": [{"scope": scope or {"name": "cart", "version": "1"}, "logRecords": list(records)}],
            }
        ]
    }


def to_protobuf(request):
    """The same request in protobuf. In the JSON of protobuf, ids are Base64; in that of OTLP, hexadecimal."""
    copy = json.loads(json.dumps(request))
    for group in copy["resourceLogs"]:
        for scope in group["scopeLogs"]:
            for one in scope["logRecords"]:
                for name in {"traceId", "spanId"} & set(one):
                    one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    return ParseDict(copy, ExportLogsServiceRequest()).SerializeToString()


def post(collector, key, body, content_type=JSON, path="/v1/logs", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Authorization": f"Bearer {key}"} if key else {}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(
        collector.url + path, data=data, headers={"Content-Type": content_type, **given, **named}, timeout=60
    )


def partial(answer):
    """How many were rejected, and why, in either encoding."""
    assert answer.status_code == 200
    if answer.headers["Content-Type"] == PROTOBUF:
        found = ExportLogsServiceResponse.FromString(answer.content).partial_success
        return found.rejected_log_records, found.error_message
    found = answer.json().get("partialSuccess", {})
    assert isinstance(found.get("rejectedLogRecords", ""), str)
    return int(found.get("rejectedLogRecords", 0)), found.get("errorMessage", "")
