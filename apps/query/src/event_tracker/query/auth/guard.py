"""The guard checks every request: who sends it, and whether they may. A path that isn't in PUBLIC needs credentials."""

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
"""Paths that need no credentials. The ingress doesn't expose `/metrics` and the health checks to the internet."""

SCOPE_BY_PREFIX: list[tuple[str, Scope]] = [
    ("/events/export", "export"),
    ("/events", "read_events"),
    ("/stats/", "read_stats"),
    ("/user", "read_events"),
    ("/admin", "admin"),
]
"""Path prefix → the scope that it needs; the first match counts. Other paths (/auth/me, unknown ones) need only credentials."""

WITHOUT_PASSWORD = frozenset({"/auth/me", "/auth/password"})
"""Paths that a person may use who must first set a password."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="query"'}


class Guard:
    """Checks requests. It is called with the WSGI environ before a request is handled.

    Args:
        tokens, people: None without CONTROL_DATABASE_URL.
        required: whether a request without credentials is refused.
    """

    def __init__(self, tokens: Tokens | None, people: People | None, *, required: bool) -> None:
        self._tokens, self._people = tokens, people
        self._required = required

    def __call__(self, environ: "WSGIEnvironment") -> None:
        """Admit the request: put its principal and allowed sources into the environ.

        Raises:
            Problem: 401 without credentials or with wrong ones, 403 if the scope is missing or a password must be set first.
            psycopg.Error: if the database is unavailable and the credentials aren't cached.
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
        """Check an admitted request again, by its route: paths such as //admin reach a route without its prefix.

        Raises:
            Problem: 403 if the scope is missing.
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
    """The scope that a request needs; None if any credentials will do. Only admins export or erase a user."""
    if path.startswith("/user") and (method == "DELETE" or path.endswith("/export")):
        return "admin"
    return next((scope for start, scope in SCOPE_BY_PREFIX if path.startswith(start)), None)


def _bearer(environ: "WSGIEnvironment") -> str | None:
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
