"""Audit log entries about sign-ins."""

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute

QUERIES = load_queries("event_tracker.query.auth")


def write_audit(control: ConnectionPool[psycopg.Connection], name: str, action: str, **detail: Any) -> None:
    """Write an entry about what a person did with their own sign-in, or what was tried under their name."""
    execute(control, QUERIES["write_audit"], audit_entry(name, action, **detail))


def audit_entry(name: str, action: str, **detail: Any) -> dict[str, Any]:
    """The parameters of the statement `write_audit`."""
    return {"actor": name, "action": action, "target": name, "source": None, "detail": Jsonb(detail)}
