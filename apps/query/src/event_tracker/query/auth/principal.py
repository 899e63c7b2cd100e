"""Who asks: a program with a token, a person who has signed in, or anyone where that is enough."""

from typing import TYPE_CHECKING, Literal, NamedTuple

from event_tracker.core.http.errors import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Scope = Literal["read_stats", "read_events", "export", "admin"]

SCOPES: dict[Scope, str] = {
    "read_stats": "Numbers: everything under /stats.",
    "read_events": "Single events and users, and the live stream.",
    "export": "All events as a file.",
    "admin": "Management, and people's data: everything under /admin, and what exports or erases a user.",
}
"""What a token may be allowed to do."""

ROLES: dict[str, frozenset[Scope]] = {
    "viewer": frozenset({"read_stats"}),
    "analyst": frozenset({"read_stats", "read_events", "export"}),
    "admin": frozenset(SCOPES),
}
"""What people may do, by their role."""

PRINCIPAL = "query.principal"
"""environ key: the Principal of a request."""

ALLOWED_SOURCES = "query.allowed_sources"
"""environ key: whose events the principal may see, a frozenset of sources' names; None is all."""


class QuotaHolder(NamedTuple):
    """Whose share of what all have together is used: see `quota_holder_of` and `client_of`. It can be a key of a dictionary."""

    kind: Literal["token", "person", "anyone"]
    name: str


class Principal(NamedTuple):
    """Who asks.

    Attributes:
        kind: `token`, `person`, or `anyone`.
        name: a token's prefix, or a person's name; it stands in the audit log.
        sources: whose events it may see; None is all.
        by_provider: a person for whom an OpenID Connect provider vouches, and who has no password here.
        sign_in: the prefix of the refresh tokens of a person's sign-in; None for others than people.
        must_set_password: a person whose password was for one sign-in, and who may only set another.
        root: a token's, as it was looked up; use `quota_holder_of`.
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
"""Who asks without credentials, where AUTH=open: may read everything and change nothing."""


def principal_of(environ: "WSGIEnvironment") -> Principal:
    """Who asks, as the guard found."""
    found: Principal = environ[PRINCIPAL]
    return found


def quota_holder_of(principal: Principal) -> QuotaHolder:
    """Of whose share of places, memory and the like a principal uses.

    An admin of some sources shares with the tokens that they handed out, and these with those that they handed out in turn, so
    that nobody gets more by making tokens. Whoever may see every source hands out shares along with tokens: they are trusted
    with everything, and one program that they let in must not use up what is another's.
    """
    return principal.quota_holder or QuotaHolder(principal.kind, principal.name)


def client_of(environ: "WSGIEnvironment") -> QuotaHolder:
    """Whose memory and turns a request uses: where nobody says who they are, addresses are all that tells them apart."""
    principal = principal_of(environ)
    if principal.kind == "anyone":
        return QuotaHolder("anyone", environ.get("REMOTE_ADDR", ""))
    return quota_holder_of(principal)


def require_all_sources(principal: Principal) -> None:
    """Return if the principal may see every source.

    Raises:
        Problem: 403.
    """
    if principal.sources is not None:
        raise Problem(403, "all_sources_required", "This needs a principal that isn't restricted to some sources.")
