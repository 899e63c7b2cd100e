"""Principals: who sends a request. A program with a token, a member of staff who signed in (a `person`), or anyone without credentials."""

from typing import Literal, NamedTuple
from wsgiref.types import WSGIEnvironment

from event_tracker.core.http.errors import Problem

Scope = Literal["read_stats", "read_events", "export", "sql", "admin"]

SCOPES: dict[Scope, str] = {
    "read_stats": "Numbers: everything under /stats.",
    "read_events": "Single events and users, and the live stream.",
    "export": "All events as a file.",
    "sql": "One's own statements in SQL over all events, where the setting SQL is on.",
    "admin": "Management, and people's data: everything under /admin, and what exports or erases a user.",
}
"""Scope → what it allows."""

ROLES: dict[str, frozenset[Scope]] = {
    "viewer": frozenset({"read_stats"}),
    "analyst": frozenset({"read_stats", "read_events", "export", "sql"}),
    "admin": frozenset(SCOPES),
}
"""Role of a member of staff → their scopes."""

PRINCIPAL = "query.principal"
"""environ key: the Principal of a request."""

ALLOWED_SOURCES = "query.allowed_sources"
"""environ key: the sources that the principal may see, a frozenset of names; None is all."""


class QuotaHolder(NamedTuple):
    """Whose quota a request uses: of turns, stream slots and memory. `quota_holder_of` says who that is. It is hashable."""

    kind: Literal["token", "person", "anyone"]
    name: str


class Principal(NamedTuple):
    """Who sends a request.

    Attributes:
        kind: `token`, `person`, or `anyone`.
        name: a token's prefix, or a member of staff's name, as in the audit log.
        sources: the sources that it may see; None is all.
        by_provider: a member of staff who signs in by an OpenID Connect provider, and has no password here.
        sign_in: the prefix of the refresh tokens of a member of staff's sign-in; None for all others.
        must_set_password: a member of staff who signed in by a one-time password, and may only set another.
        quota_holder: of a token, as it was looked up. Use `quota_holder_of` instead.
    """

    kind: Literal["token", "person", "anyone"]
    name: str
    scopes: frozenset[Scope]
    sources: frozenset[str] | None
    by_provider: bool = False
    sign_in: str | None = None
    must_set_password: bool = False
    quota_holder: QuotaHolder | None = None


ANYONE = Principal("anyone", "anyone", frozenset(SCOPES) - {"admin"}, None)
"""The principal without credentials where AUTH=open: it may read everything and change nothing."""


def principal_of(environ: WSGIEnvironment) -> Principal:
    """The principal of a request, as the guard has stored it."""
    found: Principal = environ[PRINCIPAL]
    return found


def quota_holder_of(principal: Principal) -> QuotaHolder:
    """Whose quota a principal uses.

    A principal that is restricted to some sources shares its quota with the tokens that it made, and with those that these made.
    So nobody gets a larger quota by making tokens. The holder is the topmost restricted principal of that chain. A token made
    by an unrestricted admin has a quota of its own: that admin is trusted, and their programs must not use up each other's.
    """
    return principal.quota_holder or QuotaHolder(principal.kind, principal.name)


def client_of(environ: WSGIEnvironment) -> QuotaHolder:
    """Whose quota a request uses. Requests without credentials can only be told apart by their addresses."""
    principal = principal_of(environ)
    if principal.kind == "anyone":
        return QuotaHolder("anyone", environ.get("REMOTE_ADDR", ""))
    return quota_holder_of(principal)


def require_all_sources(principal: Principal) -> None:
    """Check that the principal may see every source.

    Raises:
        Problem: 403.
    """
    if principal.sources is not None:
        raise Problem(403, "all_sources_required", "This needs a principal that isn't restricted to some sources.")
