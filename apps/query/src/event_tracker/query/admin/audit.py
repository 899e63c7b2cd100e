"""GET /admin/audit: the audit log."""

from marshmallow import fields

from event_tracker.query.admin.management import Management, Row
from event_tracker.query.admin.sources.sources import allowed_sources
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import PAGES, Between, Limit
from event_tracker.query.parameters import ParameterSchema

NEWEST = 10**18 - 1

MAX_BYTES = 8 * 2**20
"""Size of the details on a page, which ends there: one entry may name a hundred sources or origins twice."""


class AuditParameters(ParameterSchema):
    """Parameters of GET /admin/audit."""

    limit = Limit(100, "How many entries.")
    before: fields.Integer = Between(1, NEWEST, NEWEST, "The id of an entry: only older ones are answered. " + PAGES)


def list_audit(management: Management, call: Call) -> Row:
    """A principal that is restricted to some sources sees the entries of these."""
    given = call.query()
    return {
        "items": management.execute("list_audit", allowed=allowed_sources(call.principal), bytes=MAX_BYTES, **given)
    }
