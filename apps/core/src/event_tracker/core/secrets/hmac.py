"""Commitments: a keyed hash of a text that could be guessed, such as a name.

The commitment is the HMAC-SHA256 (RFC 2104) of the text. Its key is a random salt that is stored elsewhere. With both, one can
check whether a text is the committed one. With the commitment alone, one can't check any guess.
"""

import base64
import hashlib
import hmac
import secrets

SALT_BYTES = 32


def make_salt() -> str:
    """A new salt, in base64url."""
    return base64.urlsafe_b64encode(secrets.token_bytes(SALT_BYTES)).decode().rstrip("=")


def commit(salt: str, text: str) -> str:
    """The commitment to a text, in hexadecimal."""
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_committed(commitment: str, salt: str, text: str) -> bool:
    """Whether the commitment is one to this text."""
    return hmac.compare_digest(commitment, commit(salt, text))
