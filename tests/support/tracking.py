"""A role that may only track, and events by `event_tracker.track()`."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from servers import Postgres

TRACK = """
select event_tracker.track(
  %(user_id)s, %(event_type)s, %(properties)s::jsonb, %(timestamp)s::timestamptz, %(event_id)s::uuid, %(session_id)s, %(source)s
)
"""

NOTHING = {"user_id": None, "event_type": None, "timestamp": None, "event_id": None, "session_id": None}


def track(connection: psycopg.Connection, event: dict[str, Any], source: str = "default") -> uuid.UUID:
    """Track an event that has the fields of one by HTTP; its properties may also be JSON. Returns its id."""
    properties = event.get("properties")
    if properties is not None and not isinstance(properties, str):
        properties = json.dumps(properties)
    given = {**NOTHING, **event, "properties": properties, "source": source}
    ((event_id,),) = connection.execute(TRACK, given).fetchall()
    assert isinstance(event_id, uuid.UUID)
    return event_id


@contextmanager
def application_role(postgres: Postgres) -> Iterator[str]:
    """The name of an application's role, which may do what the role `track` may, until the end of the context."""
    name = f"app_{uuid.uuid4().hex}"
    postgres.execute(f"create role {name} login")
    postgres.execute(f"grant track to {name}")
    yield name
    postgres.execute(f"drop role {name}")
