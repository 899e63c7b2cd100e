"""Authentication: the write key of a request, its source, and the origin of the page that sends."""

from typing import TYPE_CHECKING, NamedTuple

from event_tracker.collector.source_cache import SourceCache
from event_tracker.collector.tracking_plan.plans import TrackingPlan
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.origins import allows
from event_tracker.core.secrets.keys import prefix_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

DEFAULT = "default"
"""The source of events without a key, if none is required."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="events"'}

HOW = (
    "Send it as `Authorization: Bearer KEY`, as `X-Write-Key: KEY`, or, from navigator.sendBeacon, as `?write_key=KEY`."
)


class Credentials(NamedTuple):
    """The source that a request sends for, by its key.

    Attributes:
        source: the source's name.
        prefix: the key's prefix; None if there was no key.
        rate_limit: events a second for the key; None is no limit.
        plan: the source's tracking plan; None if it has none.
    """

    source: str
    prefix: str | None = None
    rate_limit: int | None = None
    plan: TrackingPlan | None = None


class Authenticator:
    """Authenticates requests.

    Args:
        required: whether a request without a key is refused.
    """

    def __init__(self, source_cache: SourceCache, *, required: bool) -> None:
        self._source_cache = source_cache
        self._required = required

    def authenticate(self, environ: "WSGIEnvironment", given: str | None) -> Credentials:
        """Find the source of a request.

        Args:
            given: the key in the query string, if there is one.

        Raises:
            Problem: 401 if there is no key or a wrong one, 403 if its source is disabled or doesn't allow the page's origin.
            psycopg.Error: if only the database could tell, and it is unavailable. Not a 401: clients drop events on a 401.
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
