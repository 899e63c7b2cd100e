"""Errors as RFC 9457 problem details: one shape for every endpoint."""

from http import HTTPStatus
from typing import Any

import msgspec

CONTENT_TYPE = "application/problem+json"

RETRY_AFTER_SECONDS = 1
"""How long a client is asked to wait: about as long as a restart of PostgreSQL takes."""


class Problem(Exception):  # noqa: N818  # the word of RFC 9457
    """An answer other than 2xx.

    Attributes:
        status: the HTTP status.
        code: a word for machines, stable between releases, such as `queue_full`.
        detail: a sentence for people: what is wrong, where, and what to do.
        headers: sent with it, such as Retry-After.
        extra: further members of the body, such as `errors`.
        content_type: of the body.
    """

    content_type = CONTENT_TYPE

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


def body_too_large(max_bytes: int) -> Problem:
    """The problem for a body that is too large."""
    return Problem(413, "body_too_large", f"A request's body may have {max_bytes} bytes, decompressed.")


def given_up() -> Problem:
    """The problem for a request whose connection was closed to free it for others."""
    detail = (
        "Nearly all connections of this instance were taken, and this one had waited for longest. Nothing was done: send the request "
        "again."
    )
    return Problem(503, "bodies_full", detail)
