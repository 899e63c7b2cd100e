"""Keys and tokens that were made outside, for a deployment: their hashes are stored here, so that the services accept them."""

from typing import Any

import click
import psycopg

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.secrets.keys import hash_key, prefix_of

SCOPES = {
    "ADMIN_TOKEN": ["admin", "export", "read_events", "read_stats"],
    "READ_TOKEN": ["read_events", "read_stats"],
}
"""The scopes of the tokens in the settings of `tracker migrate`, by setting. A token's name is that of its setting."""

QUERIES = load_queries("event_tracker.cli.database", "access.sql")


class InvalidKeyError(click.ClickException):
    """Raised for a key or token that can't be valid: it is malformed, or it was revoked, and stays so."""


def register_token(connection: psycopg.Connection, name: str, token: str, scopes: list[str]) -> str:
    """Make a token valid, for every source. Return its prefix.

    Raises:
        InvalidKeyError: if it was revoked.
    """
    return _register(connection, "token", token, {"name": name, "scopes": scopes})


def revoke_replaced_tokens(connection: psycopg.Connection, name: str, token: str) -> list[str]:
    """Revoke the other tokens of this name, if this token is valid. Return their prefixes."""
    given = {"name": name, "prefix": prefix_of(token), "hash": hash_key(token)}
    return [prefix for (prefix,) in connection.execute(QUERIES["revoke_replaced_tokens"], given)]


def register_write_key(connection: psycopg.Connection, source: str, key: str) -> str:
    """Make a write key valid, and create its source if it doesn't exist. Return the key's prefix.

    Raises:
        InvalidKeyError: if it was revoked, or belongs to another source.
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
