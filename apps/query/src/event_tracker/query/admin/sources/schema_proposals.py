"""GET /admin/sources/{name}/schemas/proposal: a schema inferred from received events."""

from typing import NamedTuple

import psycopg
from marshmallow import fields

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import ConnectionPool, attempt
from event_tracker.model.schema_inference import DAYS, MAX_SAMPLE, SAMPLE, infer_schema
from event_tracker.query.admin.management import Management, Row, not_found
from event_tracker.query.admin.sources.sources import may_manage
from event_tracker.query.auth.calls import Call
from event_tracker.query.concurrency import take_turn
from event_tracker.query.parameter_types import Between, Length
from event_tracker.query.parameters import ParameterSchema


class ProposalParameters(ParameterSchema):
    """Parameters of GET /admin/sources/{name}/schemas/proposal."""

    event_type = fields.String(
        required=True,
        validate=Length(1, 100),
        error_messages={"required": [("required", "Must be given.")]},
        metadata={"description": "Of which events."},
    )
    sample: fields.Integer = Between(1, MAX_SAMPLE, SAMPLE, "How many of them are looked at, the newest.")


class Proposals(NamedTuple):
    """What proposals work with. Like a query about events, each waits for a turn."""

    management: Management
    pool: ConnectionPool[psycopg.Connection]
    concurrency_limit: ConcurrencyLimit


def propose_schema(proposals: Proposals, call: Call, name: str) -> Row:
    query = call.query()
    if not (may_manage(call.principal, name) and proposals.management.execute("known_sources", names=[name])):
        raise not_found()
    with take_turn(proposals.concurrency_limit, call.client):
        found = attempt(
            proposals.pool, lambda connection: infer_schema(connection, name, query["event_type"], query["sample"])
        )
    if found is None:
        raise Problem(404, "no_events", f"No event of this type came in during the last {DAYS} days.")
    return {"event_type": query["event_type"], "events": found.events, "schema": found.schema}
