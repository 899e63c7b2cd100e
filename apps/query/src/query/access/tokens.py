"""API tokens: what programs show."""

import time
from contextlib import suppress
from typing import NamedTuple

import psycopg

from core.keys import is_key, prefix_of
from core.pool import READ_ONLY, ConnectionPool, execute
from core.queries import load_queries
from query.access.principal import Principal

QUERIES = load_queries("query.access")

KIND = "rt"
"""What their prefixes begin with."""

FRESH_SECONDS = 2.0
"""How long what was found is taken for true: a token that is revoked is refused everywhere after so long."""


class _Found(NamedTuple):
    at: float
    hash: bytes
    principal: Principal


class Tokens:
    """Looks tokens up, and remembers what it found for a moment."""

    def __init__(self, control: ConnectionPool[psycopg.Connection]) -> None:
        self._control = control
        self._found: dict[str, _Found] = {}

    def find(self, token: str) -> Principal | None:
        """Who shows this token; None if it is none, or one that was revoked or has expired.

        Raises:
            psycopg.Error: if the database can't be asked. It is no reason to call a token wrong.
        """
        prefix = prefix_of(token)
        if prefix is None:
            return None
        found = self._found.get(prefix)
        if found is None or time.monotonic() - found.at > FRESH_SECONDS:
            found = self._look(prefix)
        return found.principal if found and is_key(token, found.hash) else None

    def _look(self, prefix: str) -> _Found | None:
        asked = time.monotonic()
        self._found.pop(prefix, None)
        for hash_, scopes, sources, to_note in execute(self._control, QUERIES["find_token"], {"prefix": prefix}):
            allowed = None if sources is None else frozenset(sources)
            self._found[prefix] = _Found(asked, hash_, Principal("token", prefix, frozenset(scopes), allowed))
            if to_note:
                with suppress(READ_ONLY):  # since a moment ago: questions are answered all the same
                    execute(self._control, QUERIES["use_token"], {"prefix": prefix})
        return self._found.get(prefix)
