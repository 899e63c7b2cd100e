"""The one table from exceptions to problems (HTTP errors)."""

from http import HTTPStatus

import psycopg
from werkzeug.exceptions import HTTPException

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import READ_ONLY, UNAVAILABLE, UnreplicatedError


def make_problem(error: Exception) -> Problem:
    """The problem that answers an exception. An unknown exception becomes a 500 without details."""
    match error:
        case Problem():
            return error
        # Flask wraps unknown exceptions in a 500: they are unknown here, too.
        case HTTPException() if error.code != HTTPStatus.INTERNAL_SERVER_ERROR:
            status = HTTPStatus(error.code or 500)
            # 404 on a JSON API needs no advice on spelling; the others carry werkzeug's sentence.
            detail = (
                "There is nothing at this path."
                if status == HTTPStatus.NOT_FOUND
                else error.description or status.phrase
            )
            allowed = getattr(error, "valid_methods", None)
            return Problem(
                status, status.name.lower(), detail, headers={"Allow": ", ".join(allowed)} if allowed else None
            )
        case psycopg.errors.QueryCanceled():
            return Problem(
                504, "statement_timeout", "The database took too long over this question; ask for less of it."
            )
        case READ_ONLY():
            return Problem(503, "database_read_only", "The database takes no writes at the moment: send this again.")
        case UnreplicatedError():
            return Problem(
                503,
                "not_replicated",
                "This is stored, but perhaps not on a standby yet: send it again, and it is acknowledged when it is.",
            )
        case _ if isinstance(error, UNAVAILABLE):
            return Problem(
                503,
                "database_unavailable",
                "The database can't be reached or can't go on. Nothing is wrong with the request: send it again.",
            )
        case _:
            return Problem(500, "internal_error", "Something broke here; the log has it under this request_id.")
