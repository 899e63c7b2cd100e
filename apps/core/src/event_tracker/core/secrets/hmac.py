"""Commitments: a text that may be guessed, such as a name, written down so that nobody can guess it from what is written.

The commitment is HMAC-SHA256 (RFC 2104) of the text, keyed by a random salt that is kept apart from it. Who has both can tell
whether a text is the one; who has the commitment alone can't even try.
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
