"""Receipts of erasures. They are signed, so that anyone with the public keys can verify them later."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from event_tracker.core.secrets.hmac import commit, make_salt
from event_tracker.query.auth.signing import ISSUER, Signer


class Receipt(NamedTuple):
    """The receipt that the client gets.

    Attributes:
        signed: JWS in compact form. It names the user only as a commitment (event_tracker.core.secrets.hmac).
        salt: needed to check the commitment. It isn't stored anywhere, so the receipt alone doesn't reveal the user, not even
            by guessing.
    """

    signed: str
    salt: str


def write_receipt(
    signer: Signer, *, erasure_id: UUID, at: datetime, mode: str, user_id: str, counts: dict[str, int]
) -> Receipt:
    """Sign a receipt for an erasure."""
    salt = make_salt()
    payload = {
        "iss": ISSUER,
        "jti": str(erasure_id),
        "iat": int(at.timestamp()),
        "mode": mode,
        "counts": counts,
        "user_hmac_sha256": commit(salt, user_id),
    }
    return Receipt(signer.sign(msgspec.json.encode(payload)), salt)
