"""The guard checks every request: who sends it, and whether they may call the route that will answer it."""

from wsgiref.types import WSGIEnvironment

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.memory_budget import CLIENT
from event_tracker.core.http.middleware import bearer_token
from event_tracker.core.http.routes import PUBLIC, Route, RouteTable
from event_tracker.core.secrets.keys import FORM
from event_tracker.query.auth.principal import ALLOWED_SOURCES, ANYONE, PRINCIPAL, Principal, client_of
from event_tracker.query.auth.staff import Staff
from event_tracker.query.auth.tokens import Tokens

ANY = "any"
"""The access of routes that take any credentials."""

ONE_TIME = "one_time"
"""The access of routes that take any credentials, also those of a member of staff who must first set a password."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="query"'}


class Guard:
    """Checks requests. It is called with the WSGI environ before a request is handled.

    The access of a route is PUBLIC, ANY, ONE_TIME, or the scope that it needs.

    Args:
        tokens, staff: None without CONTROL_DATABASE_URL.
        required: whether a request without credentials is refused.
    """

    def __init__(self, table: RouteTable, tokens: Tokens | None, staff: Staff | None, *, required: bool) -> None:
        self._table, self._tokens, self._staff = table, tokens, staff
        self._required = required

    def __call__(self, environ: WSGIEnvironment, route: Route | None = None) -> None:
        """Admit the request: put its principal and allowed sources into the environ.

        Args:
            route: that will answer it. Without it, it is found by the path.

        Raises:
            Problem: 401 without credentials or with wrong ones, 403 if the scope is missing or a password must be set first.
            psycopg.Error: if the database is unavailable and the credentials aren't cached.
        """
        path = environ.get("PATH_INFO", "")
        route = route or self._table.find(environ)
        # What isn't found needs what its neighbours need: who may not ask them doesn't learn what there is.
        access = route.access if route else self._table.access_beside(path)
        # The router takes //metrics for /metrics, a proxy that keeps /metrics inside may not.
        if access == PUBLIC and not path.startswith("//"):
            return
        scope = None if access in (None, PUBLIC, ANY, ONE_TIME) else access
        principal = self._principal(bearer_token(environ), scope)
        if principal.must_set_password and not (route and access == ONE_TIME):
            detail = "Your password was for one sign-in. Set another by POST /auth/password, and sign in by it."
            raise Problem(403, "password_must_be_set", detail)
        if not (scope is None or scope in principal.scopes):
            raise Problem(403, "scope_required", f"This needs the scope {scope}, which these credentials haven't.")
        environ[PRINCIPAL] = principal
        environ[ALLOWED_SOURCES] = principal.sources
        environ[CLIENT] = client_of(environ)

    def _principal(self, token: str | None, scope: str | None) -> Principal:
        if token is None:
            if self._required or not (scope is None or scope in ANYONE.scopes):
                detail = "Send `Authorization: Bearer TOKEN`, an API token's or that of POST /auth/sign-in."
                raise Problem(401, "credentials_required", detail, headers=CHALLENGE)
            return ANYONE
        lookup = self._tokens if FORM.fullmatch(token) else self._staff
        principal = lookup.authenticate(token) if lookup else None
        if principal is None:
            detail = "These credentials are wrong, have expired, or were revoked."
            raise Problem(401, "invalid_credentials", detail, headers=CHALLENGE)
        return principal
