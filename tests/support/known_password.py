"""A password, and a hash of it that is quick to verify."""

import psycopg

from event_tracker.core.secrets.passwords import hash_password

PASSWORD = "correct horse battery"
PASSWORD_HASH = "$argon2id$v=19$m=8,t=1,p=1$3JhqGkpQk2Epoi3Kgnjw3Q$QrUpfXBSmxJsfYUFVCNZEhRWyJYgEsxWKZwTNVro8NU"
"""With the least of Argon2's parameters: a hash is verified with those that it names. Each sign-in would cost 0.1 s with ours."""


def make_slow(owner: psycopg.Connection) -> None:
    """Give all people a hash of PASSWORD with the product's own parameters. Only then do guesses at the same time overlap."""
    owner.execute("update people set password_hash = %s", [hash_password(PASSWORD)])
