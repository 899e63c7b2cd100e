"""Routes under /admin/links: list the links between ids of one person, and remove or restore them."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.rejections import SourceParameters, select_sources
from event_tracker.query.auth.calls import Call
from event_tracker.query.identity import MAX_IDS, limited_ids
from event_tracker.query.parameter_types import Length, Limit
from event_tracker.query.request_body import BodySchema

AFTER = ("after_source", "after_alias", "after_person")
AFTER_DESCRIPTION = "Of the last link of the page before. All three, or none."


class LinksParameters(SourceParameters):
    """Parameters of GET /admin/links."""

    user_id = fields.String(
        load_default=None, validate=Length(1, 200), metadata={"description": "All links of the person with this id."}
    )
    after_source = fields.String(
        load_default=None, validate=Length(1, 100), metadata={"description": AFTER_DESCRIPTION}
    )
    after_alias = fields.String(load_default=None, validate=Length(1, 200), metadata={"description": AFTER_DESCRIPTION})
    after_person = fields.String(
        load_default=None, validate=Length(1, 200), metadata={"description": AFTER_DESCRIPTION}
    )
    limit = Limit(50, "How many.")

    @validates_schema
    def _all_or_none(self, given: dict[str, Any], **_: Any) -> None:
        missing = [name for name in AFTER if given[name] is None]
        if len(missing) not in (0, len(AFTER)):
            raise ValidationError({name: [("required", "Must be given with the other two.")] for name in missing})


class LinkedIds(BodySchema):
    """Body of POST /admin/links/remove and /restore."""

    alias = fields.String(required=True, validate=Length(1, 200), metadata={"description": "The id that is linked."})
    person = fields.String(
        required=True, validate=Length(1, 200), metadata={"description": "The id that it is linked to."}
    )
    source = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(1, 100),
        metadata={"description": "Of this source only; otherwise of all."},
    )


def list_links(management: Management, call: Call) -> Row:
    """A principal that is restricted to some sources sees the links of these."""
    query = call.query()
    sources = select_sources(call.principal, query.pop("source"))
    with limited_ids():
        return {"items": management.execute("list_links", sources=sources, most_ids=MAX_IDS, **query)}


def remove_links(management: Management, call: Call) -> Row:
    return _change(management, call, "remove_links", "link_removed")


def restore_links(management: Management, call: Call) -> Row:
    return _change(management, call, "restore_links", "link_restored")


def _change(management: Management, call: Call, statement: str, action: str) -> Row:
    given = call.body()
    sources = select_sources(call.principal, given.pop("source"))

    def work(transaction: Transaction) -> list[Row]:
        changed = transaction.execute(statement, sources=sources, **given)
        if not changed:
            raise not_found()
        for link in changed:
            # The event stands for the ids: the log must not keep these after the person's erasure.
            transaction.record(action, str(link["event_id"]), link["source"])
        return changed

    changed, _ = management.change(call.principal, work)
    return {"items": changed}
