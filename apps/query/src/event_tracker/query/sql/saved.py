"""Routes under /sql/queries: statements that are kept under a name.

All who may see every source share one space of names. Each who is restricted to some sources has a space of their own: a statement
may say what other sources have. A token's own space ends when the token is revoked.
"""

import re
from typing import Annotated, Any, NamedTuple

import msgspec
from marshmallow import fields
from msgspec import Meta
from psycopg.rows import dict_row

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.answers import Time
from event_tracker.query.auth.calls import Call
from event_tracker.query.auth.principal import Principal
from event_tracker.query.parameter_types import REQUIRED, Length
from event_tracker.query.request_body import BodySchema

QUERIES = load_queries("event_tracker.query.sql", "saved.sql")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names of saved queries."""

MAX_CHARACTERS = 20_000
"""Of a statement."""

MAX_QUERIES = 500
"""In a space: that are shared, or of one who is restricted."""

MAX_SPACE_CHARACTERS = 1_000_000
"""Of all statements of a space: a list has them all."""


class SavedQueries(NamedTuple):
    """What the routes work with. `is_on` says whether SQL is."""

    management: Management
    is_on: bool


class SavedQuerySettings(BodySchema):
    """Body of PUT /sql/queries/{name}."""

    statement = fields.String(
        data_key="sql",
        required=True,
        validate=Length(1, MAX_CHARACTERS),
        error_messages=REQUIRED,
        metadata={"description": "The statement. It isn't checked before it is run."},
    )


class SavedQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A statement that is kept."""

    name: str
    sql: str
    owner: Annotated[str, Meta(description="Who saved it first: they may change it, and admins.")]
    changed_at: Time


class SavedQueryList(msgspec.Struct, forbid_unknown_fields=True):
    """By name."""

    items: list[SavedQuery]


def list_saved_queries(saved: SavedQueries, call: Call) -> Row:
    """All queries of the principal's space.

    Raises:
        Problem: 404 if SQL is off. All routes here do.
    """
    _check_on(saved)
    space = _space_of(call.principal)
    items, _ = saved.management.change(
        call.principal, lambda transaction: _execute(transaction, "list_saved", space=space)
    )
    return {"items": items}


def get_saved_query(saved: SavedQueries, call: Call, name: str) -> Row:
    """One query.

    Raises:
        Problem: 404 if there is none of that name.
    """
    _check_on(saved)
    _check_name(name)
    found, _ = saved.management.change(call.principal, lambda transaction: _find(transaction, name))
    if found is None:
        raise not_found()
    return found


def put_saved_query(saved: SavedQueries, call: Call, name: str) -> tuple[Row, int]:
    """Save a statement. Returns the query, and 201 if the name is new, or 200.

    Raises:
        Problem: 403 if it is another's, or without credentials; 404 for what can't be a name; 409 if the space is full.
    """
    _check_on(saved)
    _check_name(name)
    _check_named(call.principal)
    statement = call.body()["statement"]
    answer, _ = saved.management.change(call.principal, lambda transaction: _put(transaction, name, statement))
    return answer


def delete_saved_query(saved: SavedQueries, call: Call, name: str) -> None:
    """Remove a query.

    Raises:
        Problem: 403 if it is another's, or without credentials; 404 if there is none of that name.
    """
    _check_on(saved)
    _check_name(name)
    _check_named(call.principal)

    def work(transaction: Transaction) -> None:
        found = _lock(transaction, name)
        if found is None:
            raise not_found()
        _execute(transaction, "delete_saved", space=_space_of(transaction.principal), name=name)
        transaction.record("query_removed", name, sql=found["sql"])

    saved.management.change(call.principal, work)


def _put(transaction: Transaction, name: str, statement: str) -> tuple[Row, int]:
    """Returns the query, and whether it was made (201) or changed (200)."""
    found, space = _lock(transaction, name), _space_of(transaction.principal)
    if found is not None and found["sql"] == statement:
        return found, 200
    (answer,) = _execute(
        transaction, "put_saved", space=space, name=name, sql=statement, owner=transaction.principal.name
    )
    (counted,) = _execute(transaction, "count_saved", space=space)
    if counted["queries"] > MAX_QUERIES or counted["characters"] > MAX_SPACE_CHARACTERS:
        detail = f"There are {MAX_QUERIES} saved queries at most, of {MAX_SPACE_CHARACTERS:,} characters together. Remove some first."
        raise Problem(409, "too_many_queries", detail)
    transaction.record("query_saved", name, sql=statement)
    return answer, 201 if found is None else 200


def _lock(transaction: Transaction, name: str) -> Row | None:
    """The query of this name, which nobody changes meanwhile.

    Raises:
        Problem: 403 if it is another's.
    """
    _execute(transaction, "lock_saved")
    found, principal = _find(transaction, name), transaction.principal
    if found is not None and found["owner"] != principal.name and "admin" not in principal.scopes:
        raise Problem(403, "not_the_owner", f"This query is of {found['owner']}: they may change it, and admins.")
    return found


def _find(transaction: Transaction, name: str) -> Row | None:
    rows = _execute(transaction, "get_saved", space=_space_of(transaction.principal), name=name)
    return rows[0] if rows else None


def _space_of(principal: Principal) -> str:
    """The space of the principal: "", which all share who see every source, or one of their own."""
    return "" if principal.sources is None else f"{principal.kind}:{principal.name}"


def _check_on(saved: SavedQueries) -> None:
    if not saved.is_on:
        raise Problem(404, "sql_off", "Statements in SQL are off here: the setting SQL isn't on.")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise not_found()


def _check_named(principal: Principal) -> None:
    if principal.kind == "anyone":
        raise Problem(403, "sign_in_required", "Only people who have signed in and programs with a token save queries.")


def _execute(transaction: Transaction, statement: str, **parameters: Any) -> list[Row]:
    with transaction.connection.cursor(binary=True, row_factory=dict_row) as cursor:
        cursor.execute(QUERIES[statement], parameters)
        return cursor.fetchall() if cursor.description else []
