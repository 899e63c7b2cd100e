"""Routes under /admin/sources/{name}/pages: titles and categories of a web site's pages."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from event_tracker.core.http.errors import Problem
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.sources.sources import may_manage
from event_tracker.query.auth.calls import Call
from event_tracker.query.filters.numbers import normalise
from event_tracker.query.parameter_types import REQUIRED, AtMost, Length, Limit, ShortList
from event_tracker.query.parameters import ParameterSchema
from event_tracker.query.request_body import BodySchema

MAX_PAGES = 10_000
"""Pages of a source."""

MAX_AT_ONCE = 500
"""Pages in one request."""

MAX_PATH, MAX_HOST, MAX_TITLE, MAX_CATEGORY = 2000, 253, 500, 100
"""Characters. A path is as long as tracker.js sends it."""

HOST = "Of this host, as page views have it; without it, of every host that has no page of its own with this path."


class PagesParameters(ParameterSchema):
    """Parameters of GET /admin/sources/{name}/pages."""

    after_path = fields.String(
        load_default="",
        validate=Length(0, MAX_PATH),
        metadata={"description": "Of the last page of the answer before."},
    )
    after_host = fields.String(
        load_default="", validate=Length(0, MAX_HOST), metadata={"description": "Of the same; none is the empty text."}
    )
    limit = Limit(100, "How many.")


class PageParameters(ParameterSchema):
    """Parameters of DELETE /admin/sources/{name}/pages."""

    path = fields.String(
        required=True,
        validate=Length(1, MAX_PATH),
        error_messages=REQUIRED,
        metadata={"description": "The page, as page views have it."},
    )
    host = fields.String(load_default="", validate=Length(0, MAX_HOST), metadata={"description": HOST})


class PageSettings(BodySchema):
    """A page: at least a title or a category."""

    path = fields.String(
        required=True,
        validate=Length(1, MAX_PATH),
        error_messages=REQUIRED,
        metadata={"description": "The property `page` of its page views."},
    )
    host = fields.String(load_default="", validate=Length(0, MAX_HOST), metadata={"description": HOST})
    title = fields.String(load_default=None, allow_none=True, validate=Length(1, MAX_TITLE))
    category = fields.String(load_default=None, allow_none=True, validate=Length(1, MAX_CATEGORY))

    @validates_schema
    def _any(self, given: dict[str, Any], **_: Any) -> None:
        if given.get("title") is None and given.get("category") is None:
            raise ValidationError({"title": [("required", "Must be given, or else a category.")]})


class PagesSettings(BodySchema):
    """Body of PUT /admin/sources/{name}/pages."""

    pages = ShortList(
        fields.Nested(PageSettings),
        required=True,
        validate=AtMost(max=MAX_AT_ONCE),
        error_messages=REQUIRED,
        metadata={"description": "Each gets this title and this category; other pages stay as they are."},
    )


def list_pages(management: Management, call: Call, name: str) -> Row:
    query = call.query()

    def work(transaction: Transaction) -> list[Row]:
        _check_source(transaction, name)
        return transaction.execute("list_pages", source=name, **query)

    items, _ = management.change(call.principal, work)
    return {"items": items}


def put_pages(management: Management, call: Call, name: str) -> Row:
    pages = {(normalise(page["host"]), normalise(page["path"])): page for page in call.body()["pages"]}
    changed, _ = management.change(call.principal, lambda transaction: _put(transaction, name, pages))
    return {"changed": changed}


def delete_page(management: Management, call: Call, name: str) -> None:
    query = call.query()
    host, path = normalise(query["host"]), normalise(query["path"])

    def work(transaction: Transaction) -> None:
        _check_source(transaction, name)
        if not transaction.execute("delete_page", source=name, host=host, path=path):
            raise not_found()
        transaction.record("page_removed", host + path, name)

    management.change(call.principal, work)


def _put(transaction: Transaction, source: str, pages: dict[tuple[str, str], Row]) -> int:
    """Returns how many pages are new, or have another title or category than before."""
    _check_source(transaction, source, lock=True)
    columns = {
        "hosts": [host for host, _ in pages],
        "paths": [path for _, path in pages],
        "titles": [page["title"] for page in pages.values()],
        "categories": [page["category"] for page in pages.values()],
    }
    changed = transaction.execute("put_pages", source=source, **columns)
    ((counted),) = transaction.execute("count_pages", source=source)
    if counted["pages"] > MAX_PAGES:
        raise Problem(409, "too_many_pages", f"A source has {MAX_PAGES:,} pages at most. Remove some first.")
    if len(changed) == 1:
        (page,) = changed
        transaction.record(
            "pages_set", page["host"] + page["path"], source, title=page["title"], category=page["category"]
        )
    elif changed:
        transaction.record("pages_set", source, source, pages=len(changed))
    return len(changed)


def _check_source(transaction: Transaction, source: str, *, lock: bool = False) -> None:
    """Raises: Problem: 404 if it isn't there, or isn't the principal's."""
    if not (may_manage(transaction.principal, source) and transaction.execute("known_sources", names=[source])):
        raise not_found()
    if lock:  # so that requests at the same time don't have more pages together than a source may have
        transaction.execute("lock_source", name=source)
