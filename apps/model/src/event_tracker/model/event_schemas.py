"""Event schemas: setting, listing and reading them."""

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.model.schema_checks import Check
from event_tracker.model.schema_rules import MAX_BYTES, InvalidSchemaError

QUERIES = load_queries("event_tracker.model", "event_schemas.sql")

MODES = ("off", "warn", "enforce")
"""What a source does with its schemas."""

MAX_TYPES = 1000
"""Event types with a schema, of one source: collectors hold all of them in memory."""

MAX_SOURCE_BYTES = 4 * 1024 * 1024
"""What the newest schemas of a source may have together, as PostgreSQL writes them: collectors hold that in memory as well."""

KEPT_VERSIONS = 100
"""Versions kept of an event type's schema, the newest included. Older ones are deleted when a new one is set."""

KEPT_BYTES = 16 * 1024 * 1024
"""Bytes that all versions of a source's schemas may take in the database, compressed. The newest of each type is always kept."""

MAX_VERSIONS = 20
"""Versions that are listed at once: each may have 64 KiB."""


class NoSuchSourceError(Exception):
    """There is no source of this name."""


class SetResult(NamedTuple):
    """The result of setting a schema: its version, and whether that is new (or was already the newest)."""

    version: int
    is_new: bool


class StoredSchema(NamedTuple):
    """A version of an event type's schema."""

    source: str
    event_type: str
    version: int
    created_at: datetime
    schema: dict[str, Any]


class SchemaSummary(NamedTuple):
    """An event type that has a schema, and its newest version.

    Attributes:
        set_aside_until: until when a collector has, or last had, set that version aside; None if never.
    """

    source: str
    mode: str
    event_type: str
    version: int
    created_at: datetime
    set_aside_until: datetime | None


def set_schema(connection: psycopg.Connection, source: str, event_type: str, schema: Any) -> SetResult:
    """Make a schema the newest version for a source's events of a type. Collectors use it within two seconds.

    If there are too many versions, the oldest of the source's are deleted.

    Raises:
        InvalidSchemaError: if the schema isn't accepted.
        NoSuchSourceError: if there is no such source.
    """
    if not 1 <= len(event_type) <= 100:
        raise InvalidSchemaError("", "An event type has 1 to 100 characters.")
    check = Check(0, schema, is_new=True)
    parameters = {"source": source, "event_type": event_type, "schema": Jsonb(check.schema), "most": MAX_TYPES}
    with connection.transaction():
        if not connection.execute(QUERIES["lock_source"], parameters).fetchall():
            raise NoSuchSourceError(source)
        _check_size(*connection.execute(QUERIES["measure_schemas"], parameters).fetchall()[0])
        done = connection.execute(QUERIES["set_schema"], parameters).fetchall()
        connection.execute(
            QUERIES["forget_versions"], {"source": source, "versions": KEPT_VERSIONS, "bytes": KEPT_BYTES}
        )
    if not done:
        raise InvalidSchemaError("", f"A source may have schemas for {MAX_TYPES} event types.")
    return SetResult(*done[0])


def _check_size(own: int, replaced: int, others: int) -> None:
    """Refuse a schema that is too large alone, or with the source's others. A smaller one than before is always accepted."""
    if own > 2 * MAX_BYTES:
        raise InvalidSchemaError(
            "", f"PostgreSQL writes its numbers out: {own} bytes. It may have {2 * MAX_BYTES} then."
        )
    if own > replaced and own + others > MAX_SOURCE_BYTES:
        raise InvalidSchemaError(
            "",
            f"The schemas of a source may have {MAX_SOURCE_BYTES} bytes together; with this one they have {own + others}.",
        )


def list_schemas(connection: psycopg.Connection, sources: list[str] | None = None) -> list[SchemaSummary]:
    """The event types that have a schema, of these sources or of all, in the order of their names."""
    return [SchemaSummary(*row) for row in connection.execute(QUERIES["list_schemas"], {"sources": sources})]


def list_versions(
    connection: psycopg.Connection, source: str, event_type: str, version: int | None = None
) -> list[StoredSchema]:
    """The newest versions of an event type's schema, the newest first and `MAX_VERSIONS` at most, or only this one."""
    parameters = {"source": source, "event_type": event_type, "version": version, "most": MAX_VERSIONS}
    rows = connection.execute(QUERIES["list_versions"], parameters)
    return [StoredSchema(*row) for row in rows]
