"""API tokens, by which programs authenticate."""

from contextlib import suppress
from dataclasses import dataclass

import psycopg

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import READ_ONLY, ConnectionPool, execute
from event_tracker.core.secrets.keys import is_key, prefix_of
from event_tracker.query.auth.principal import Principal, QuotaHolder
from event_tracker.query.auth.recent_cache import RecentCache

QUERIES = load_queries("event_tracker.query.auth")

KIND = "rt"
"""The prefixes of API tokens begin with it."""

FRESH_SECONDS = 2.0
"""How long a token is cached. A revoked token is refused everywhere after this time."""

MAX_KNOWN = 10_000
"""Tokens that the cache holds."""


@dataclass
class _StoredToken:
    """A token as it is stored. `note_use`: its last use must be written to the database."""

    hash: bytes
    principal: Principal
    note_use: bool


class Tokens:
    """Looks tokens up, and caches them for a moment."""

    def __init__(self, control: ConnectionPool[psycopg.Connection]) -> None:
        self._control = control
        self._recent: RecentCache[str, _StoredToken] = RecentCache(FRESH_SECONDS, MAX_KNOWN)

    def authenticate(self, token: str) -> Principal | None:
        """The principal of a token. None if it is unknown or wrong, was revoked, or has expired.

        Raises:
            psycopg.Error: if the database can't be reached: then it isn't known whether the token is valid.
        """
        prefix = prefix_of(token)
        if prefix is None:
            return None
        stored = self._recent.get_or_load(prefix, lambda: self._load(prefix))
        # The prefix is no secret: a request with a wrong secret isn't a use of the token.
        if stored is None or not is_key(token, stored.hash):
            return None
        if stored.note_use:
            stored.note_use = False
            with suppress(READ_ONLY):  # the database became read-only since the look-up; the request is still answered
                execute(self._control, QUERIES["use_token"], {"prefix": prefix})
        return stored.principal

    def _load(self, prefix: str) -> _StoredToken | None:
        for hash_, scopes, sources, note_use, *quota_holder in execute(
            self._control, QUERIES["find_token"], {"prefix": prefix}
        ):
            allowed = None if sources is None else frozenset(sources)
            principal = Principal("token", prefix, frozenset(scopes), allowed, quota_holder=QuotaHolder(*quota_holder))
            return _StoredToken(hash_, principal, note_use)
        return None
