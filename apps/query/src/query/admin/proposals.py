"""GET /admin/sources/{name}/schemas/proposal: a schema made from what has been received."""

import psycopg
from flask import Blueprint, Response, request
from marshmallow import fields

from core.pool import ConnectionPool, attempt
from core.problems import Problem
from core.service import json_response
from core.turns import Turns
from manage.inference import DAYS, MOST_SAMPLE, SAMPLE, infer_schema
from query.access.principal import client_of, principal_of
from query.admin.management import Management, missing
from query.admin.sources import may_manage
from query.fields import Between, Length
from query.parameters import ParameterSchema, Reader
from query.shared import take_turn


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


def propose_schemas(management: Management, pool: ConnectionPool[psycopg.Connection], turns: Turns) -> Blueprint:
    """The view of proposals. It reads events as questions do, in its turn."""
    views = Blueprint("proposals", __name__)

    @views.get("/admin/sources/<name>/schemas/proposal")
    def propose_schema(name: str) -> Response:
        asked = READER.read(request.environ["QUERY_STRING"])
        if not (may_manage(principal_of(request.environ), name) and management.ask("known_sources", names=[name])):
            raise missing()
        with take_turn(turns, client_of(request.environ)):
            found = attempt(
                pool, lambda connection: infer_schema(connection, name, asked["event_type"], asked["sample"])
            )
        if found is None:
            raise Problem(404, "no_events", f"No event of this type came in during the last {DAYS} days.")
        return json_response({"event_type": asked["event_type"], "events": found.events, "schema": found.schema})

    return views
