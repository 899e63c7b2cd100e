"""Errors as RFC 9457 problem details: one shape for every endpoint, one table from exception to status."""

from http import HTTPStatus
from typing import Any

import msgspec
import psycopg
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from core.pool import AWAY

CONTENT_TYPE = "application/problem+json"

RETRY_AFTER_SECONDS = 1
"""What a client is asked to wait: a restart of PostgreSQL takes about that."""


class Problem(Exception):  # noqa: N818  # the word of RFC 9457
    """An answer other than 2xx.

    Attributes:
        status: the HTTP status.
        code: a word for machines, stable between releases, such as `queue_full`.
        detail: a sentence for people: what is wrong, where, and what to do.
        headers: sent with it, such as Retry-After.
        extra: further members of the body, such as `errors`.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})
        self.extra = extra
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))

    def body(self, request_id: str) -> bytes:
        """The JSON body. `type` is about:blank (RFC 9457 section 4.2.1): `code` tells the problems apart."""
        return msgspec.json.encode(
            {
                "type": "about:blank",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "code": self.code,
                "detail": self.detail,
                "request_id": request_id,
                **self.extra,
            }
        )


def problem_of(error: Exception) -> Problem:
    """The table: which problem answers which exception. What it doesn't know is a 500 that tells nothing."""
    match error:
        case Problem():
            return error
        case HTTPException():
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
        case ParseException():
            return Problem(400, "malformed_body", f"The body isn't chunked as HTTP/1.1 wants it: {error}.")
        case psycopg.errors.QueryCanceled():
            return Problem(
                504, "statement_timeout", "The database took too long over this question; ask for less of it."
            )
        case _ if isinstance(error, AWAY):
            return Problem(
                503,
                "database_unavailable",
                "The database can't be reached. Nothing is wrong with the request: send it again.",
            )
        case _:
            return Problem(500, "internal_error", "Something broke here; the log has it under this request_id.")
