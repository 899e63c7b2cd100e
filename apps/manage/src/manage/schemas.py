"""The schemas of events: set, listed, shown."""

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from core.queries import load_queries
from manage.checks import Check
from manage.schema_rules import InvalidSchemaError

QUERIES = load_queries("manage", "schemas.sql")

MODES = ("off", "warn", "enforce")
"""What a source does with its schemas."""

MAX_TYPES = 1000
"""Event types with a schema, of one source: collectors hold all of them in memory."""


class NoSuchSourceError(Exception):
    """There is no source of this name."""


class Set(NamedTuple):
    """What became of a schema that was set: its version, and whether it is new or was the newest one already."""

    version: int
    is_new: bool


class Version(NamedTuple):
    """A version of an event type's schema."""

    source: str
    event_type: str
    version: int
    created_at: datetime
    schema: dict[str, Any]


class Listed(NamedTuple):
    """An event type that has a schema, and its newest version."""

    source: str
    mode: str
    event_type: str
    version: int
    created_at: datetime


def set_schema(connection: psycopg.Connection, source: str, event_type: str, schema: Any) -> Set:
    """Make a schema the newest version for a source's events of a type. Collectors take it over within two seconds.

    Raises:
        InvalidSchemaError: if it isn't one that can be taken.
        NoSuchSourceError: if there is no such source.
    """
    if not 1 <= len(event_type) <= 100:
        raise InvalidSchemaError("", "An event type has 1 to 100 characters.")
    check = Check(0, schema, is_new=True)
    parameters = {"source": source, "event_type": event_type, "schema": Jsonb(check.schema), "most": MAX_TYPES}
    with connection.transaction():
        if not connection.execute(QUERIES["lock_source"], parameters).fetchall():
            raise NoSuchSourceError(source)
        done = connection.execute(QUERIES["set_schema"], parameters).fetchall()
    if not done:
        raise InvalidSchemaError("", f"A source may have schemas for {MAX_TYPES} event types.")
    return Set(*done[0])


def list_schemas(connection: psycopg.Connection, sources: list[str] | None = None) -> list[Listed]:
    """The event types that have a schema, of these sources or of all, in the order of their names."""
    return [Listed(*row) for row in connection.execute(QUERIES["list_schemas"], {"sources": sources})]


def list_versions(connection: psycopg.Connection, source: str, event_type: str) -> list[Version]:
    """All versions of an event type's schema, the newest first."""
    found = connection.execute(QUERIES["list_versions"], {"source": source, "event_type": event_type})
    return [Version(*row) for row in found]


def find_schema(
    connection: psycopg.Connection, source: str, event_type: str, version: int | None = None
) -> Version | None:
    """A version of an event type's schema, or the newest one."""
    versions = list_versions(connection, source, event_type)
    return next((one for one in versions if version in (None, one.version)), None)
