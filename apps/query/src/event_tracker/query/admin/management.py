"""Reads and changes on behalf of admins. A change and its audit log entry are made in one transaction."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
import psycopg
from flask import request
from msgspec import Meta
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, attempt
from event_tracker.query.auth.principal import Principal, client_of
from event_tracker.query.concurrency import take_turn

QUERIES = load_queries("event_tracker.query.admin")

Result = TypeVar("Result")
Row = dict[str, Any]


ACTIONS = {
    "source_created": "A source was made.",
    "source_changed": "A source's settings were changed.",
    "key_created": "A source was given a write key.",
    "key_revoked": "A write key was revoked.",
    "schema_set": "A version of the schema of a source's events of a type, which is the target, was set.",
    "replay_requested": "Refused events of a source were asked to be tried again.",
    "pages_set": "Pages of a source got titles or categories; the target is the page, or the source of several.",
    "page_removed": "A page's title and category were removed.",
    "query_saved": "A statement in SQL was saved under a name, which is the target.",
    "query_removed": "A saved query was removed.",
    "link_removed": "A link between ids of a person was removed; the target is the id of the event that makes it.",
    "link_restored": "A removed link counts again.",
    "token_created": "An API token was made.",
    "token_revoked": "An API token was revoked.",
    "token_stopped": "An API token counts no longer, since who made it may not hand it out any more.",
    "token_resumed": "An API token counts again, since who made it may hand it out again.",
    "person_created": "A person was added.",
    "person_changed": "A person's role, sources, or whether they may sign in was changed.",
    "password_reset": "A person was given a password for one sign-in; all their sign-ins ended.",
}
"""Actions that management writes into the audit log → what each means."""


Action = Annotated[str, Meta(description="; ".join(f"{word}: {says}" for word, says in ACTIONS.items()))]
Target = Annotated[str, Meta(description="The name, a key's or token's prefix, or an event's id.")]
Detail = Annotated[dict[str, Any], Meta(description="By member, what it is, or `from` what it was changed `to` what.")]


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One change, as the audit log has it."""

    action: Action
    target: Target
    source: str | None
    detail: Detail


class Transaction:
    """One transaction of one principal.

    Attributes:
        connection: for statements that aren't in queries.sql.
        changes: those recorded so far.
    """

    def __init__(self, connection: psycopg.Connection, principal: Principal) -> None:
        self.principal = principal
        self.changes: list[Change] = []
        self.connection = connection

    def execute(self, statement: str, **parameters: Any) -> list[Row]:
        """Run a statement of queries.sql and return its rows."""
        return _rows(self.connection, statement, parameters)

    def record(self, action: str, target: str, source: str | None = None, **detail: Any) -> None:
        """Write a change into the audit log."""
        self.changes.append(Change(action, target, source, detail))
        given = {"action": action, "target": target, "source": source, "detail": Jsonb(detail)}
        self.execute("write_audit", actor=self.principal.name, **given)


class Management:
    """Access to the database by the role `control`, on behalf of the current request.

    Args:
        concurrency_limit: for the pool's connections. Some stay free for sign-ins and token look-ups, and no admin keeps others
            waiting.
    """

    def __init__(self, control: ConnectionPool[psycopg.Connection], concurrency_limit: ConcurrencyLimit) -> None:
        self._control = control
        self._concurrency_limit = concurrency_limit

    def execute(self, statement: str, **parameters: Any) -> list[Row]:
        """Run a read-only statement of queries.sql and return its rows.

        Raises:
            Problem: as `take_turn` does.
        """
        return self._attempt(lambda connection: _rows(connection, statement, parameters))

    def change(
        self, principal: Principal, work: Callable[[Transaction], Result], *, dry_run: bool = False
    ) -> tuple[Result, list[Change]]:
        """Run `work` in one transaction. Returns its result and the changes. With `dry_run` the transaction is rolled back.

        Raises:
            Problem: what `work` raises, or `take_turn`; nothing has changed then.
        """

        def once(connection: psycopg.Connection) -> tuple[Result, list[Change]]:
            with connection.transaction(force_rollback=dry_run):
                transaction = Transaction(connection, principal)
                return work(transaction), transaction.changes

        return self._attempt(once)

    def _attempt(self, work: Callable[[psycopg.Connection], Result]) -> Result:
        with take_turn(self._concurrency_limit, client_of(request.environ)):
            return attempt(self._control, work)


def not_found() -> Problem:
    """The 404 for what doesn't exist and for what isn't the principal's. It doesn't reveal which of them it is."""
    return Problem(404, "not_found", "There is nothing of this name here.")


def _rows(connection: psycopg.Connection, statement: str, parameters: Row) -> list[Row]:
    with connection.cursor(binary=True, row_factory=dict_row) as cursor:
        cursor.execute(QUERIES[statement], parameters)
        return cursor.fetchall() if cursor.description else []
