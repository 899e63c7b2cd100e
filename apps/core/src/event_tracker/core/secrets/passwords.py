"""Passwords: Argon2id with the parameters of RFC 9106 section 4 for little memory (64 MiB, some 50 ms)."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 200
"""NIST SP 800-63B section 3.1.1: length is what counts; no rules on kinds of characters."""

DUMMY_HASH = _hasher.hash(secrets.token_hex(16))
"""Verified against where there is no password, so that this takes as long as a wrong one."""


def hash_password(password: str) -> str:
    """What is stored of a password, its salt and parameters included."""
    return _hasher.hash(password)


def is_password(password: str, stored: str | None) -> bool:
    """Whether a password is the one whose hash is stored; None takes as long and is never right."""
    try:
        return _hasher.verify(stored or DUMMY_HASH, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def make_password() -> str:
    """A random password of 120 bits, easy to copy."""
    return secrets.token_urlsafe(15)
