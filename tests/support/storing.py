"""Stores events as a collector does, on a connection of the test: step by step, or in a transaction that stays open."""

import uuid
from typing import Any

import psycopg

from event_tracker.model.storing.store_events import STORE_LINKING_EVENTS


def store(connection: psycopg.Connection, *events: dict[str, Any], slot: int = 1) -> None:
    """Store events as a collector with this slot does. Each needs user_id and timestamp; other fields are optional."""
    connection.execute(
        STORE_LINKING_EVENTS,
        {
            "user_ids": [event["user_id"] for event in events],
            "timestamps": [event["timestamp"] for event in events],
            "event_ids": [event.get("event_id", str(uuid.uuid4())) for event in events],
            "event_types": [event.get("event_type", "view") for event in events],
            "session_ids": [event.get("session_id") for event in events],
            "properties": [event.get("properties", "{}") for event in events],
            "sources": [event.get("source", "default") for event in events],
            "violations": [],
            "slot": slot,
        },
    ).fetchall()
