"""Routes under /admin/rejections: list, count and replay refused events."""

from typing import Any

from marshmallow import fields, validate

from event_tracker.model import rejections
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.sources.sources import NAME, allowed_sources, may_manage
from event_tracker.query.auth.calls import Call
from event_tracker.query.auth.principal import Principal
from event_tracker.query.parameter_types import PAGES, AtMost, Length, Limit
from event_tracker.query.parameters import ParameterSchema
from event_tracker.query.request_body import BodySchema

MAX_IDS = 1000


class SourceParameters(ParameterSchema):
    """Parameters of GET /admin/rejections/counts."""

    source = fields.String(load_default=None, validate=Length(1, 100), metadata={"description": "Of this source only."})


class RejectionsParameters(SourceParameters):
    """Parameters of GET /admin/rejections."""

    reason = fields.String(load_default=None, validate=Length(1, 100), metadata={"description": "With this code only."})
    event_type = fields.String(
        load_default=None, validate=Length(1, 200), metadata={"description": "Of this event type only."}
    )
    user_id = fields.String(load_default=None, validate=Length(1, 200), metadata={"description": "Of this user only."})
    before = fields.UUID(
        load_default=None,
        error_messages={"invalid_uuid": [("invalid_value", "Must be the id of a refused event.")]},
        metadata={"description": "The id of one: only older ones are answered. " + PAGES},
    )
    limit = Limit(50, "How many.")


class Replay(BodySchema):
    """Body of POST /admin/rejections/replay."""

    source = fields.String(required=True, validate=Length(1, 100), metadata={"description": "Whose events."})
    reason = fields.String(load_default=None, allow_none=True, validate=Length(1, 100))
    event_type = fields.String(load_default=None, allow_none=True, validate=Length(1, 200))
    ids = fields.List(
        fields.UUID(),
        load_default=None,
        allow_none=True,
        validate=[validate.Length(min=1), AtMost(max=MAX_IDS)],
        metadata={"description": "These only."},
    )


def list_rejections(management: Management, call: Call) -> Row:
    """A principal that is restricted to some sources sees the events of these."""
    query = call.query()
    sources = select_sources(call.principal, query.pop("source"))
    found, _ = management.change(
        call.principal, lambda transaction: rejections.list_rejections(transaction.connection, sources, **query)
    )
    return {"items": [one._asdict() for one in found]}


def count_rejections(management: Management, call: Call) -> Row:
    sources = select_sources(call.principal, call.query()["source"])
    found, _ = management.change(
        call.principal, lambda transaction: rejections.count_rejections(transaction.connection, sources)
    )
    return {"items": [one._asdict() for one in found]}


def replay(management: Management, call: Call) -> Row:
    given = call.body()
    events, _ = management.change(call.principal, lambda transaction: _replay(transaction, given))
    return {"events": events}


def select_sources(principal: Principal, requested: str | None) -> list[str] | None:
    """The sources to search: the requested one, if the principal may see it, or all that they may see. None is all."""
    if requested is None:
        return allowed_sources(principal)
    return [requested] if may_manage(principal, requested) else []


def _replay(transaction: Transaction, given: Row) -> int:
    source, which = given["source"], {name: value for name, value in given.items() if name != "source"}
    known = NAME.fullmatch(source) and may_manage(transaction.principal, source)
    if not (known and transaction.execute("known_sources", names=[source])):
        raise not_found()
    events = rejections.request_replay(transaction.connection, source, **which)
    if events:
        noted: dict[str, Any] = {name: value for name, value in which.items() if value is not None and name != "ids"}
        transaction.record("replay_requested", source, source, events=events, **noted)
    return events
