"""Batches by the protocols of other clients, beside the same events as POST /events takes them."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.contenders import Storing
from bench.contest import Line
from bench.events import make_event
from bench.setup import Setup
from bench.tables import OURS, create_ours

EVENTS = 500
"""In each batch."""

BATCHES = 40
CONNECTIONS = 8

UNIQUE = "@@@@@@@@"
"""wrk.lua writes another number here for each request, since an id that was sent before is a duplicate."""

Event = dict[str, Any]


class Wire(NamedTuple):
    """How a protocol sends events: its path, the batch's media type, an event, and the batch."""

    path: str
    media_type: str
    encode: Callable[[int, Event], Event]
    enclose: Callable[[list[Event]], Any]


def _id(index: int) -> str:
    return f"{UNIQUE}-0000-4000-8000-{index:012x}"


def _ours(index: int, event: Event) -> Event:
    return {**event, "event_id": _id(index)}


def _segment(index: int, event: Event) -> Event:
    return {
        "type": "track",
        "event": event["event_type"],
        "userId": event["user_id"],
        "messageId": f"node-next-1795919797555-{_id(index)}",
        "timestamp": event["timestamp"],
        "properties": event["properties"],
        "context": {
            "library": {"name": "@segment/analytics-node", "version": "3.1.0"},
            "sessionId": event["session_id"],
        },
        "integrations": {},
    }


def _posthog(index: int, event: Event) -> Event:
    return {
        "event": event["event_type"],
        "distinct_id": event["user_id"],
        "uuid": _id(index),
        "timestamp": event["timestamp"],
        "properties": {**event["properties"], "$session_id": event["session_id"], "$lib": "posthog-node"},
    }


def _cloudevents(index: int, event: Event) -> Event:
    return {
        "specversion": "1.0",
        "id": _id(index),
        "source": "https://shop.example/orders",
        "type": event["event_type"],
        "time": event["timestamp"],
        "userid": event["user_id"],
        "sessionid": event["session_id"],
        "datacontenttype": "application/json",
        "data": event["properties"],
    }


def _otlp(index: int, event: Event) -> Event:
    nanoseconds = round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1e9)
    attributes = {"user.id": event["user_id"], "session.id": event["session_id"], "number": _id(index)}
    properties = {
        name: {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
        for name, value in event["properties"].items()
    }
    return {
        "timeUnixNano": str(nanoseconds),
        "eventName": event["event_type"],
        "attributes": [
            *({"key": name, "value": {"stringValue": value}} for name, value in attributes.items()),
            *({"key": name, "value": value} for name, value in properties.items()),
        ],
    }


WIRES = {
    "events": Wire("/events", "application/json", _ours, lambda events: events),
    "segment": Wire("/v1/batch", "application/json", _segment, lambda events: {"batch": events}),
    "posthog": Wire("/batch/", "application/json", _posthog, lambda events: {"batch": events}),
    "cloudevents": Wire(
        "/cloudevents", "application/cloudevents-batch+json", _cloudevents, lambda events: events
    ),
    "otlp": Wire(
        "/v1/logs", "application/json", _otlp,
        lambda events: {"resourceLogs": [{"scopeLogs": [{"scope": {"name": "shop"}, "logRecords": events}]}]},
    ),
}  # fmt: skip
"""POST /events, and what is compared with it."""


def protocols(setup: Setup) -> list[Line]:
    """Measure batches by each protocol. One process, and as many connections for each."""
    create_ours(setup.postgres, OURS)
    with setup.services() as services:
        service = services.collector(1, OURS)
        contenders = [
            Storing(
                service, _write(setup.logs / name, wire), CONNECTIONS, setup.terms.warm_up, key=f"protocol/{name}",
                name=wire.path, postgres=setup.postgres, database=OURS, counted=True, per_request=EVENTS,
                path=wire.path, media_type=wire.media_type,
            )
            for name, wire in WIRES.items()
        ]  # fmt: skip
        return setup.compete("Batches of 500 by other clients' protocols", contenders)


def _write(file: Path, wire: Wire) -> Path:
    """Write the batches, the same events for each protocol."""
    rng, now = random.Random(1), datetime.now(UTC)
    batches = [
        wire.enclose([wire.encode(batch * EVENTS + index, make_event(rng, now)) for index in range(EVENTS)])
        for batch in range(BATCHES)
    ]
    file.write_text("".join(f"{json.dumps(batch, separators=(',', ':'))}\n" for batch in batches))
    return file
