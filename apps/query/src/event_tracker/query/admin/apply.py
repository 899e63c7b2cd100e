"""POST /admin/apply: sources as a file declares them.

Sources that the file names are created or changed; others stay as they are, so that a missing line removes nothing. If a source
has `keys`, these are all its keys: others are revoked. A dry run makes the changes, reports them, and rolls the transaction
back.
"""

import re
from typing import Any

from marshmallow import fields

from event_tracker.core.http.errors import Problem
from event_tracker.core.secrets.keys import PREFIX
from event_tracker.model.event_schemas import MAX_TYPES
from event_tracker.query.admin.management import Management, Row, Transaction
from event_tracker.query.admin.sources.event_schemas import put_schema
from event_tracker.query.admin.sources.sources import (
    KEY_KIND,
    MAX_KEYS,
    NAME,
    SourceSettings,
    allowed_sources,
    save_source,
)
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import AtMost, Choice, Length, field_error
from event_tracker.query.parameters import ParameterSchema
from event_tracker.query.request_body import BodySchema

MAX_SOURCES = 1000


class ApplyParameters(ParameterSchema):
    """Parameters of POST /admin/apply."""

    dry_run = Choice(("true", "false"), "false", "true: answer what would change, and change nothing.")


class _Text(fields.String):
    """A text that matches a pattern."""

    def __init__(self, pattern: str, message: str, **options: Any) -> None:
        super().__init__(**options)
        self._pattern, self._message = re.compile(pattern), message

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not (isinstance(value, str) and self._pattern.fullmatch(value)):
            raise field_error("invalid_value", self._message)
        return value


class DeclaredKey(BodySchema):
    """A write key: prefix and hash, as `tracker key make` prints them."""

    prefix = _Text(PREFIX.pattern.replace("[a-z]{2}", KEY_KIND), "Must be the prefix of a write key.", required=True)
    sha256 = _Text("[0-9a-f]{64}", "Must be the key's SHA-256 in 64 hexadecimal digits.", required=True)


class DeclaredSource(SourceSettings):
    """A source: the members of SourceSettings, its keys, and its schemas."""

    keys = fields.List(
        fields.Nested(DeclaredKey),
        validate=AtMost(max=MAX_KEYS),
        metadata={"description": "All of its write keys: others that it has are revoked."},
    )
    schemas = fields.Dict(
        keys=fields.String(validate=Length(1, 100)),
        values=fields.Dict(),
        validate=AtMost(max=MAX_TYPES),
        metadata={"description": "The newest version of the schema of its events, by their type."},
    )


class Declaration(BodySchema):
    """Body of POST /admin/apply."""

    sources = fields.Dict(
        keys=_Text(NAME.pattern, "Must be lower-case letters, digits, - and _, at most 100."),
        values=fields.Nested(DeclaredSource),
        required=True,
        validate=AtMost(max=MAX_SOURCES),
    )


def apply(management: Management, call: Call) -> Row:
    dry_run = call.query()["dry_run"] == "true"
    declared = call.body()["sources"]
    _, changes = management.change(call.principal, lambda transaction: _apply(transaction, declared), dry_run=dry_run)
    return {"applied": not dry_run, "changes": changes}


def _apply(transaction: Transaction, declared: dict[str, Row]) -> None:
    # In the order of the names, so that concurrent requests lock in the same order and don't deadlock.
    for name, source in sorted(declared.items()):
        keys, schemas = source.pop("keys", None), source.pop("schemas", {})
        save_source(transaction, name, source)
        for event_type, schema in sorted(schemas.items()):
            put_schema(transaction, name, event_type, schema)
        if keys is not None:
            _apply_keys(transaction, name, {key["prefix"]: bytes.fromhex(key["sha256"]) for key in keys})


def _apply_keys(transaction: Transaction, source: str, declared: dict[str, bytes]) -> None:
    given = {"source": source, "prefixes": list(declared), "allowed": allowed_sources(transaction.principal)}
    existing = {row["prefix"]: row for row in transaction.execute("lock_keys", **given)}
    for prefix, hash_ in sorted(declared.items()):
        found = existing.get(prefix)
        if found is None:
            # Prefixes are unique in a deployment: a conflict would reveal that another source has this one.
            if transaction.principal.sources is not None:
                detail = f"sources.{source}.keys: {prefix} is no key of yours. Make it by POST /admin/sources/{source}/keys first."
                raise Problem(403, "all_sources_required", detail)
            transaction.execute("add_key", prefix=prefix, source=source, hash=hash_)
            transaction.record("key_created", prefix, source)
        elif found["revoked_at"] or (found["source"], found["hash"]) != (source, hash_):
            detail = (
                f"sources.{source}.keys: {prefix} was revoked, or is another key. Make a new one: tracker key make."
            )
            raise Problem(409, "key_conflict", detail)
    for prefix, found in existing.items():
        if found["source"] == source and not found["revoked_at"] and prefix not in declared:
            transaction.execute("revoke_key", prefix=prefix, allowed=None)
            transaction.record("key_revoked", prefix, source)
