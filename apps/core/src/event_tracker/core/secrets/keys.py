"""API keys: made here, shown once, stored as a hash, found by their prefix.

A key is `KIND_PREFIX_SECRET`, such as `wk_3k7q0d2m_…`. The secret has 160 random bits, so SHA-256 is enough: a slow hash
protects secrets that can be guessed, and this one can't.
"""

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

PREFIX_BYTES = 5
SECRET_BYTES = 20

PREFIX = re.compile(r"[a-z]{2}_[0-9a-f]{10}")
FORM = re.compile(rf"({PREFIX.pattern})_[0-9a-f]{{40}}")


class NewKey(NamedTuple):
    """A key that was just made.

    Attributes:
        key: shown to its owner, once.
        prefix: finds the key, and may be logged.
        hash: the 32 bytes that are stored.
    """

    key: str
    prefix: str
    hash: bytes


def make_key(kind: str) -> NewKey:
    """Make a new key; `kind` is two letters that say what it is for."""
    prefix = f"{kind}_{secrets.token_hex(PREFIX_BYTES)}"
    key = f"{prefix}_{secrets.token_hex(SECRET_BYTES)}"
    return NewKey(key, prefix, hash_key(key))


def prefix_of(key: str) -> str | None:
    """The prefix of a key; None if the text isn't a key."""
    found = FORM.fullmatch(key)
    return found[1] if found else None


def hash_key(key: str) -> bytes:
    """The hash that is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


def is_key(key: str, stored: bytes) -> bool:
    """Whether a key has the stored hash. The comparison takes constant time."""
    return hmac.compare_digest(hash_key(key), stored)
