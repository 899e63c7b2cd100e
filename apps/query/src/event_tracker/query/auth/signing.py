"""Signatures: Ed25519 (RFC 8032), as JWT for people who have signed in, and as JWS for receipts.

The first key of SIGNING_KEY signs; all of them verify, so that a new one can be put in front and the old one be dropped
when nothing signed by it counts any more.
"""

import time
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, OKPKey

ALGORITHMS = ["Ed25519"]
"""RFC 9864. Nothing else is verified, whatever a token's header says."""

ISSUER = "event-tracker"
END = "-----END PRIVATE KEY-----"


class Signer:
    """Signs and verifies.

    Args:
        pem: one or more Ed25519 private keys in PEM (PKCS #8).

    Raises:
        ValueError: if that isn't what it is.
    """

    def __init__(self, pem: str) -> None:
        try:
            keys = [OKPKey.import_key(f"{block.strip()}\n{END}\n") for block in pem.split(END)[:-1]]
        except ValueError:
            keys = []  # what was said of it may tell of the key
        if not keys or any(key.curve_name != "Ed25519" for key in keys):
            raise ValueError("Must hold Ed25519 private keys in PEM; `openssl genpkey -algorithm ed25519` makes one.")
        self._keys = KeySet([OKPKey.import_key(key.as_dict(private=True, kid=key.thumbprint())) for key in keys])
        self._newest = self._keys.keys[0]
        self._heads = {self._encode({}, key).partition(".")[0] for key in self._keys.keys}

    def public(self) -> dict[str, Any]:
        """The public keys, as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [{**key.as_dict(private=False), "alg": "Ed25519", "use": "sig"} for key in self._keys.keys]}

    def issue(self, subject: str, audience: str, seconds: int, **claims: Any) -> str:
        """A JWT about `subject` for `audience`, good for so many seconds."""
        now = int(time.time())
        registered = {"iss": ISSUER, "sub": subject, "aud": audience, "iat": now, "exp": now + seconds}
        return self._encode({**registered, **claims}, self._newest)

    def read(self, token: str, audience: str) -> dict[str, Any] | None:
        """The claims of a JWT that was issued for `audience` and is still good; None if it isn't one.

        A header that isn't one of those written here isn't even read: a stranger's makes no library stumble.
        """
        if token.partition(".")[0] not in self._heads:
            return None
        requirements = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            claims: dict[str, Any] = jwt.decode(token, self._keys, algorithms=ALGORITHMS).claims
            requirements.validate(claims)
        except (JoseError, ValueError):
            return None
        return claims

    def sign(self, payload: bytes) -> str:
        """A JWS in compact form (RFC 7515)."""
        return jws.serialize_compact(_header("JOSE", self._newest), payload, self._newest, algorithms=ALGORITHMS)

    def _encode(self, claims: dict[str, Any], key: Key) -> str:
        return jwt.encode(_header("JWT", key), claims, key, algorithms=ALGORITHMS)


def _header(kind: str, key: Key) -> dict[str, Any]:
    return {"alg": "Ed25519", "typ": kind, "kid": key.kid}
