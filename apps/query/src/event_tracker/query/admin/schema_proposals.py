"""GET /admin/sources/{name}/schemas/proposal: a schema inferred from received events."""

import psycopg
from flask import Blueprint, Response, request
from marshmallow import fields

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.service import json_response
from event_tracker.core.postgres.pool import ConnectionPool, attempt
from event_tracker.model.schema_inference import DAYS, MOST_SAMPLE, SAMPLE, infer_schema
from event_tracker.query.admin.management import Management, not_found
from event_tracker.query.admin.sources import may_manage
from event_tracker.query.auth.principal import client_of, principal_of
from event_tracker.query.concurrency import take_turn
from event_tracker.query.parameter_types import Between, Length
from event_tracker.query.parameters import ParameterSchema, Reader


class ProposalParameters(ParameterSchema):
    """Parameters of GET /admin/sources/{name}/schemas/proposal."""

    event_type = fields.String(
        required=True,
        validate=Length(1, 100),
        error_messages={"required": [("required", "Must be given.")]},
        metadata={"description": "Of which events."},
    )
    sample: fields.Integer = Between(1, MOST_SAMPLE, SAMPLE, "How many of them are looked at, the newest.")


READER = Reader(ProposalParameters)


def proposal_routes(
    management: Management, pool: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit
) -> Blueprint:
    """The route of proposals. Like a query about events, it waits for a turn."""
    views = Blueprint("proposals", __name__)

    @views.get("/admin/sources/<name>/schemas/proposal")
    def propose_schema(name: str) -> Response:
        query = READER.read(request.environ["QUERY_STRING"])
        if not (may_manage(principal_of(request.environ), name) and management.execute("known_sources", names=[name])):
            raise not_found()
        with take_turn(concurrency_limit, client_of(request.environ)):
            found = attempt(
                pool, lambda connection: infer_schema(connection, name, query["event_type"], query["sample"])
            )
        if found is None:
            raise Problem(404, "no_events", f"No event of this type came in during the last {DAYS} days.")
        return json_response({"event_type": query["event_type"], "events": found.events, "schema": found.schema})

    return views
