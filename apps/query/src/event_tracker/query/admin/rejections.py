"""Routes under /admin/rejections: list, count and replay refused events."""

from typing import Any

from flask import Blueprint, Response, request
from marshmallow import RAISE, Schema, fields, validate

from event_tracker.core.http.service import json_response
from event_tracker.model import rejections
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.sources import NAME, allowed_sources, may_manage
from event_tracker.query.auth.principal import Principal, principal_of
from event_tracker.query.parameter_types import PAGES, AtMost, Length, Limit
from event_tracker.query.parameters import ParameterSchema, Reader
from event_tracker.query.request_body import read_json, receive_body

MOST_IDS = 1000


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


class ReplayBody(Schema):
    """Body of POST /admin/rejections/replay."""

    class Meta:
        unknown = RAISE

    source = fields.String(required=True, validate=Length(1, 100), metadata={"description": "Whose events."})
    reason = fields.String(load_default=None, allow_none=True, validate=Length(1, 100))
    event_type = fields.String(load_default=None, allow_none=True, validate=Length(1, 200))
    ids = fields.List(
        fields.UUID(),
        load_default=None,
        allow_none=True,
        validate=[validate.Length(min=1), AtMost(max=MOST_IDS)],
        metadata={"description": "These only."},
    )


LIST_READER = Reader(RejectionsParameters)
COUNT_READER = Reader(SourceParameters)


def rejection_routes(management: Management) -> Blueprint:
    """The routes under /admin/rejections. A principal that is restricted to some sources sees the events of these."""
    views = Blueprint("rejections", __name__)

    @views.get("/admin/rejections")
    def list_rejections() -> Response:
        query = LIST_READER.read(request.environ["QUERY_STRING"])
        principal = principal_of(request.environ)
        sources = _select_sources(principal, query.pop("source"))
        found, _ = management.change(
            principal, lambda transaction: rejections.list_rejections(transaction.connection, sources, **query)
        )
        return json_response({"items": [one._asdict() for one in found]})

    @views.get("/admin/rejections/counts")
    def count_rejections() -> Response:
        principal = principal_of(request.environ)
        sources = _select_sources(principal, COUNT_READER.read(request.environ["QUERY_STRING"])["source"])
        found, _ = management.change(
            principal, lambda transaction: rejections.count_rejections(transaction.connection, sources)
        )
        return json_response({"items": [one._asdict() for one in found]})

    @views.post("/admin/rejections/replay")
    def replay() -> Response:
        given = read_json(ReplayBody(), receive_body())
        events, _ = management.change(principal_of(request.environ), lambda transaction: _replay(transaction, given))
        return json_response({"events": events}, 202)

    return views


def _select_sources(principal: Principal, requested: str | None) -> list[str] | None:
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
