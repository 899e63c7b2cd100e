"""Keys and tokens that a deployment brings along: made elsewhere, let in here, only their hashes stored."""

from typing import Any

import click
import psycopg

from event_tracker.cli.database.partitions import QUERIES
from event_tracker.core.secrets.keys import hash_key, prefix_of

SCOPES = {
    "ADMIN_TOKEN": ["admin", "export", "read_events", "read_stats"],
    "READ_TOKEN": ["read_events", "read_stats"],
}
"""What the tokens may that `tracker migrate` takes; each is called what its setting is called."""


class InvalidKeyError(click.ClickException):
    """Raised for a key or a token that is known and doesn't count: what was revoked stays revoked."""


def register_token(connection: psycopg.Connection, name: str, token: str, scopes: list[str]) -> str:
    """Let a token in, for every source; return its prefix.

    Raises:
        ShutOutError: if it was revoked.
    """
    return _register(connection, "token", token, {"name": name, "scopes": scopes})


def revoke_replaced_tokens(connection: psycopg.Connection, name: str, token: str) -> list[str]:
    """Revoke the other tokens of this name, if this one counts; return their prefixes."""
    given = {"name": name, "prefix": prefix_of(token), "hash": hash_key(token)}
    return [prefix for (prefix,) in connection.execute(QUERIES["revoke_replaced_tokens"], given)]


def register_write_key(connection: psycopg.Connection, source: str, key: str) -> str:
    """Let a write key in, and make its source if there is none; return the key's prefix.

    Raises:
        ShutOutError: if it was revoked, or is another source's.
    """
    connection.execute(QUERIES["register_source"], {"source": source})
    return _register(connection, "write_key", key, {"source": source})


def _register(connection: psycopg.Connection, kind: str, key: str, given: dict[str, Any]) -> str:
    prefix = prefix_of(key)
    if prefix is None:
        raise InvalidKeyError(f"what was given as {kind} has not the form of one")
    given = {**given, "prefix": prefix, "hash": hash_key(key)}
    connection.execute(QUERIES[f"register_{kind}"], given)
    if not connection.execute(QUERIES[f"find_valid_{kind}"], given).fetchall():
        raise InvalidKeyError(
            f"{prefix} was revoked, or is known with another secret or for something else: make a new one"
        )
    return prefix
