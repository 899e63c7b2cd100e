"""Routes under /admin/sources and /admin/keys: sources and their write keys."""

import re
from typing import Any

from marshmallow import fields

from event_tracker.core.http.errors import Problem
from event_tracker.core.secrets.keys import PREFIX, NewKey, make_key
from event_tracker.model.event_schemas import MODES
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.sources.origins import OriginError, normalise
from event_tracker.query.auth.calls import Call
from event_tracker.query.auth.principal import Principal
from event_tracker.query.parameter_types import AtMost, OneOf, WholeNumber, field_error
from event_tracker.query.request_body import BodySchema

NAME = re.compile("[a-z0-9][a-z0-9_-]{0,99}")
KEY_KIND = "wk"
MAX_ORIGINS = 100
MAX_KEYS = 100
"""Keys of a source that aren't revoked."""

MAX_ENDED = 1_000
"""Keys of a source, or tokens, that are listed though they were revoked or have expired: those that ended last."""

MAX_RATE = 1_000_000
MAX_DAYS = 36_500


class Origin(fields.String):
    """An origin, loaded in the form that browsers send (`event_tracker.query.admin.sources.origins`)."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        try:
            return normalise(value if isinstance(value, str) else "")
        except OriginError as error:
            raise field_error("invalid_value", str(error)) from None


class SourceSettings(BodySchema):
    """Body of PUT /admin/sources/{name}: what isn't given stays as it is, or is the default of a new source."""

    allowed_origins = fields.List(
        Origin(),
        validate=AtMost(max=MAX_ORIGINS),
        metadata={
            "description": "Whose pages may send events; * is any, https://*.shop.example all subdomains. Servers always may."
        },
    )
    enabled = fields.Boolean(truthy={True}, falsy={False}, metadata={"description": "Whether it takes events."})
    schema_mode = fields.String(
        validate=OneOf(MODES),
        metadata={
            "description": "What becomes of events that violate their schema: taken unseen, stored and flagged, or refused."
        },
    )
    rate_limit = WholeNumber(
        MAX_RATE, allow_none=True, metadata={"description": "Events a second for each key; null is no limit."}
    )
    keep = WholeNumber(
        MAX_DAYS,
        allow_none=True,
        metadata={"description": "Days for which its events are kept; null is what `tracker maintain --keep` says."},
    )


def list_sources(management: Management, call: Call) -> Row:
    return {"items": _find(management, call.principal, None)}


def get_source(management: Management, call: Call, name: str) -> Row:
    return _one(management, call.principal, name)


def put_source(management: Management, call: Call, name: str) -> tuple[Row, int]:
    given = call.body()
    is_new, _ = management.change(call.principal, lambda transaction: save_source(transaction, name, given))
    return _one(management, call.principal, name), 201 if is_new else 200


def list_write_keys(management: Management, call: Call, name: str) -> Row:
    _one(management, call.principal, name)
    return {"items": management.execute("list_keys", source=name, ended=MAX_ENDED)}


def make_write_key(management: Management, call: Call, name: str) -> Row:
    _one(management, call.principal, name)
    new = make_key(KEY_KIND)
    management.change(call.principal, lambda transaction: add_key(transaction, name, new))
    return {"prefix": new.prefix, "source": name, "key": new.key}


def revoke_write_key(management: Management, call: Call, prefix: str) -> None:
    management.change(call.principal, lambda transaction: _revoke(transaction, prefix))


def save_source(transaction: Transaction, name: str, given: Row) -> bool:
    """Create or change a source. Returns whether it is new.

    Args:
        given: members of SourceSettings; those left out stay as they are.

    Raises:
        Problem: 404 if it isn't the principal's, or the name isn't valid.
    """
    if not (may_manage(transaction.principal, name) and NAME.fullmatch(name)):
        raise not_found()
    is_new = bool(transaction.execute("add_source", name=name))
    (before,) = transaction.execute("lock_source", name=name)
    after = {**before, **given}
    if after != before:
        transaction.execute("update_source", name=name, **after)
    if is_new:
        transaction.record("source_created", name, name, **after)
    elif after != before:
        transaction.record("source_changed", name, name, **find_differences(before, after))
    return is_new


def add_key(transaction: Transaction, source: str, new: NewKey) -> None:
    """Add a write key to a source. Only its hash is stored.

    Raises:
        Problem: 409 if the source has too many. Concurrent requests may exceed the limit by a few.
    """
    if transaction.execute("count_keys", source=source)[0]["keys"] >= MAX_KEYS:
        raise Problem(409, "too_many_keys", f"A source has {MAX_KEYS} keys at most. Revoke some first.")
    transaction.execute("add_key", prefix=new.prefix, source=source, hash=new.hash)
    transaction.record("key_created", new.prefix, source)


def may_manage(principal: Principal, source: str) -> bool:
    """Whether a source is one of the principal's."""
    return principal.sources is None or source in principal.sources


def allowed_sources(principal: Principal) -> list[str] | None:
    """The principal's sources, for SQL; None is all."""
    return None if principal.sources is None else sorted(principal.sources)


def find_differences(before: Row, after: Row) -> Row:
    """Changed member → its values before and after."""
    return {member: {"from": before[member], "to": value} for member, value in after.items() if value != before[member]}


def _revoke(transaction: Transaction, prefix: str) -> None:
    known = PREFIX.fullmatch(prefix)
    revoked = known and transaction.execute("revoke_key", prefix=prefix, allowed=allowed_sources(transaction.principal))
    if not revoked:
        raise not_found()
    transaction.record("key_revoked", prefix, revoked[0]["source"])


def _find(management: Management, principal: Principal, name: str | None) -> list[Row]:
    return management.execute("list_sources", name=name, allowed=allowed_sources(principal))


def _one(management: Management, principal: Principal, name: str) -> Row:
    found = _find(management, principal, name) if NAME.fullmatch(name) else []
    if not found:
        raise not_found()
    return found[0]
