"""Receipts: what was done with a user's data, signed, so that it can be checked later by whoever has the public keys."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from event_tracker.core.secrets.hmac import commit, make_salt
from event_tracker.query.auth.signing import ISSUER, Signer


class Receipt(NamedTuple):
    """What the asker is given.

    Attributes:
        signed: JWS in compact form. It names the user only as a commitment (event_tracker.core.secrets.hmac).
        salt: what the commitment can be checked with. It is stored nowhere: whoever has the receipt alone can't find out, or
            guess, whose it is.
    """

    signed: str
    salt: str


def write_receipt(
    signer: Signer, *, erasure_id: UUID, at: datetime, mode: str, user_id: str, counts: dict[str, int]
) -> Receipt:
    """Sign what was done."""
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
