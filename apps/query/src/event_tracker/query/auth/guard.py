"""The guard in front of every path: who asks, and whether they may. What isn't named public needs credentials."""

from typing import TYPE_CHECKING

from event_tracker.core.http.body_limit import reservation_of
from event_tracker.core.http.errors import Problem
from event_tracker.core.secrets.keys import FORM
from event_tracker.query.auth.people import People
from event_tracker.query.auth.principal import (
    ALLOWED_SOURCES,
    ANYONE,
    PRINCIPAL,
    Principal,
    Scope,
    client_of,
    principal_of,
)
from event_tracker.query.auth.tokens import Tokens

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PUBLIC = frozenset(
    {
        "/", "/livez", "/readyz", "/healthz", "/metrics", "/version", "/openapi.json", "/docs", "/.well-known/jwks.json",
        "/auth/sign-in", "/auth/refresh", "/auth/sign-out", "/auth/methods", "/auth/oidc",
    }
)  # fmt: skip
"""Paths that everyone may ask for. `/metrics` and health are kept off the internet by the ingress."""

SCOPE_BY_PREFIX: list[tuple[str, Scope]] = [
    ("/events/export", "export"),
    ("/events", "read_events"),
    ("/stats/", "read_stats"),
    ("/user", "read_events"),
    ("/admin", "admin"),
]
"""What a path takes, by how it begins; the first counts. Others (/auth/me, and what isn't there) take nothing but credentials."""

WITHOUT_PASSWORD = frozenset({"/auth/me", "/auth/password"})
"""Paths for who must first set a password."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="query"'}


class Guard:
    """Called with a request's environ before it is answered.

    Args:
        tokens, people: None where there is no CONTROL_DATABASE_URL.
        required: whether a request without credentials is refused.
    """

    def __init__(self, tokens: Tokens | None, people: People | None, *, required: bool) -> None:
        self._tokens, self._people = tokens, people
        self._required = required

    def __call__(self, environ: "WSGIEnvironment") -> None:
        """Let the request in, with its principal and the sources it may see in the environ.

        Raises:
            Problem: 401 without credentials or with wrong ones, 403 if they aren't enough, or before a password was set.
            psycopg.Error: if the database is away and only it could tell.
        """
        path = environ.get("PATH_INFO", "")
        if path in PUBLIC or path.startswith("/docs/"):
            return
        scope = required_scope(environ["REQUEST_METHOD"], path)
        principal = self._principal(_bearer(environ), scope)
        if principal.must_set_password and path not in WITHOUT_PASSWORD:
            detail = "Your password was for one sign-in. Set another by POST /auth/password, and sign in by it."
            raise Problem(403, "password_must_be_set", detail)
        if not (scope is None or scope in principal.scopes):
            raise _scope_required(scope)
        environ[PRINCIPAL] = principal
        environ[ALLOWED_SOURCES] = principal.sources
        reservation_of(environ).belong_to(client_of(environ))

    def check_scope(self, environ: "WSGIEnvironment", rule: str) -> None:
        """Hold a request that was let in to what its route takes: a path may lead there that begins otherwise, such as //admin.

        Raises:
            Problem: 403.
        """
        scope = required_scope(environ["REQUEST_METHOD"], rule)
        if rule not in PUBLIC and not (scope is None or scope in principal_of(environ).scopes):
            raise _scope_required(scope)

    def _principal(self, token: str | None, scope: Scope | None) -> Principal:
        if token is None:
            if self._required or not (scope is None or scope in ANYONE.scopes):
                detail = "Send `Authorization: Bearer TOKEN`, an API token's or that of POST /auth/sign-in."
                raise Problem(401, "credentials_required", detail, headers=CHALLENGE)
            return ANYONE
        lookup = self._tokens if FORM.fullmatch(token) else self._people
        principal = lookup.authenticate(token) if lookup else None
        if principal is None:
            detail = "These credentials are wrong, have expired, or were revoked."
            raise Problem(401, "invalid_credentials", detail, headers=CHALLENGE)
        return principal


def _scope_required(scope: Scope) -> Problem:
    return Problem(403, "scope_required", f"This needs the scope {scope}, which these credentials haven't.")


def required_scope(method: str, path: str) -> Scope | None:
    """What a request takes; None if any credentials will do. Whose data is exported or erased is an admin's matter."""
    if path.startswith("/user") and (method == "DELETE" or path.endswith("/export")):
        return "admin"
    return next((scope for start, scope in SCOPE_BY_PREFIX if path.startswith(start)), None)


def _bearer(environ: "WSGIEnvironment") -> str | None:
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
