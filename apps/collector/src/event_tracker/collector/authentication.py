"""Who may send events: the key of a request, its source, and the origin of the page that sends."""

from typing import TYPE_CHECKING, NamedTuple

from event_tracker.collector.source_cache import SourceCache
from event_tracker.collector.tracking_plan.plans import TrackingPlan
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.origins import allows
from event_tracker.core.secrets.keys import prefix_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

DEFAULT = "default"
"""The source of events without a key, where none is required."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="events"'}

HOW = (
    "Send it as `Authorization: Bearer KEY`, as `X-Write-Key: KEY`, or, from navigator.sendBeacon, as `?write_key=KEY`."
)


class Credentials(NamedTuple):
    """Whose events these are.

    Attributes:
        source: the source's name.
        prefix: that of the key; None if there was none.
        rate_limit: events a second for the key; None is no limit.
        plan: what the source's events must be; None is anything.
    """

    source: str
    prefix: str | None = None
    rate_limit: int | None = None
    plan: TrackingPlan | None = None


class Authenticator:
    """Lets requests in.

    Args:
        required: whether a request without a key is refused.
    """

    def __init__(self, source_cache: SourceCache, *, required: bool) -> None:
        self._source_cache = source_cache
        self._required = required

    def authenticate(self, environ: "WSGIEnvironment", given: str | None) -> Credentials:
        """Whose a request's events are.

        Args:
            given: the key in the query string, if there is one there.

        Raises:
            Problem: 401 if there is no key or a wrong one, 403 if its source doesn't take this.
            psycopg.Error: if the database is away and only it could tell: a client drops what is answered 401.
        """
        key = _bearer(environ) or environ.get("HTTP_X_WRITE_KEY") or given
        if key is None:
            if self._required:
                raise Problem(401, "key_required", f"A write key is required. {HOW}", headers=CHALLENGE)
            return Credentials(DEFAULT, plan=self._source_cache.find_plan(DEFAULT))
        source = self._source_cache.find(key)
        if source is None:
            raise Problem(401, "invalid_key", "This isn't a write key, or it was revoked.", headers=CHALLENGE)
        if not source.enabled:
            raise Problem(403, "source_disabled", "This key's source takes no events at present.")
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and not allows(source.origins, origin):
            raise Problem(403, "origin_not_allowed", "This key's source takes no events from pages of this origin.")
        return Credentials(source.name, prefix_of(key), source.rate_limit, source.plan)


def _bearer(environ: "WSGIEnvironment") -> str | None:
    scheme, _, key = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None
