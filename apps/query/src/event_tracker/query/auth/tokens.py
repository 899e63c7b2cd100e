"""API tokens: what programs show."""

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
"""What their prefixes begin with."""

FRESH_SECONDS = 2.0
"""How long what was found is taken for true: a token that is revoked is refused everywhere after so long."""

MOST_KNOWN = 10_000
"""Tokens of which that is remembered."""


@dataclass
class _StoredToken:
    """A token as it is stored; `to_note`: that it was used is to be written down."""

    hash: bytes
    principal: Principal
    note_use: bool


class Tokens:
    """Looks tokens up, and remembers what it found for a moment."""

    def __init__(self, control: ConnectionPool[psycopg.Connection]) -> None:
        self._control = control
        self._recent: RecentCache[str, _StoredToken] = RecentCache(FRESH_SECONDS, MOST_KNOWN)

    def authenticate(self, token: str) -> Principal | None:
        """Who shows this token; None if it is none, or one that was revoked or has expired.

        Raises:
            psycopg.Error: if the database can't be asked. It is no reason to call a token wrong.
        """
        prefix = prefix_of(token)
        if prefix is None:
            return None
        stored = self._recent.get_or_load(prefix, lambda: self._load(prefix))
        # Its prefix is no secret: who shows only that has not used it.
        if stored is None or not is_key(token, stored.hash):
            return None
        if stored.note_use:
            stored.note_use = False
            with suppress(READ_ONLY):  # since it was looked up: questions are answered all the same
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
