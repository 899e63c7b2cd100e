"""GET /admin/audit: the audit log."""

from flask import Blueprint, Response, request
from marshmallow import fields

from event_tracker.core.http.service import json_response
from event_tracker.query.admin.management import Management
from event_tracker.query.admin.sources import allowed_sources
from event_tracker.query.auth.principal import principal_of
from event_tracker.query.parameter_types import PAGES, Between, Limit
from event_tracker.query.parameters import ParameterSchema, Reader

NEWEST = 10**18 - 1

MOST_BYTES = 8 * 2**20
"""Size of the details on a page, which ends there: one entry may name a hundred sources or origins twice."""


class AuditParameters(ParameterSchema):
    """Parameters of GET /admin/audit."""

    limit = Limit(100, "How many entries.")
    before: fields.Integer = Between(1, NEWEST, NEWEST, "The id of an entry: only older ones are answered. " + PAGES)


READER = Reader(AuditParameters)


def audit_routes(management: Management) -> Blueprint:
    """The route of the audit log. A principal that is restricted to some sources sees the entries of these."""
    views = Blueprint("audit", __name__)

    @views.get("/admin/audit")
    def list_audit() -> Response:
        given = READER.read(request.environ["QUERY_STRING"])
        sources = allowed_sources(principal_of(request.environ))
        return json_response({"items": management.execute("list_audit", allowed=sources, bytes=MOST_BYTES, **given)})

    return views
