"""Passwords: Argon2id with the parameters of RFC 9106 section 4 for little memory (64 MiB, some 50 ms)."""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()

LEAST_CHARACTERS = 12
MAX_CHARACTERS = 200
"""NIST SP 800-63B section 3.1.1: length is what counts; no rules on kinds of characters."""

DUMMY_HASH = f"$argon2id$v=19$m=65536,t=3,p=4${'A' * 22}${'A' * 43}"
"""Verified where a person has no password, so that it takes as long as a wrong password: the parameters are those of `hash_password`.
It is written and not computed, because each start of a command would pay for it."""


def hash_password(password: str) -> str:
    """The hash that is stored of a password, with its salt and parameters."""
    return _hasher.hash(password)


def is_password(password: str, stored: str | None) -> bool:
    """Whether a password has the stored hash; None takes as long and is never right."""
    try:
        return _hasher.verify(stored or DUMMY_HASH, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def make_password() -> str:
    """A random password of 120 bits, easy to copy."""
    return secrets.token_urlsafe(15)
