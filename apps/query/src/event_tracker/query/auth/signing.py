"""Ed25519 signatures (RFC 8032): JWT for access tokens, JWS for erasure receipts.

The first key of SIGNING_KEY signs; all of them verify. So a new key can be put in front, and the old one removed once everything
that it signed has expired.
"""

import time
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, OKPKey

ALGORITHMS = ["Ed25519"]
"""RFC 9864. No other algorithm is accepted, whatever a token's header says."""

ISSUER = "event-tracker"
END = "-----END PRIVATE KEY-----"


class Signer:
    """Signs and verifies.

    Args:
        pem: one or more Ed25519 private keys in PEM (PKCS #8).

    Raises:
        ValueError: if `pem` has no keys, or other ones.
    """

    def __init__(self, pem: str) -> None:
        try:
            keys = [OKPKey.import_key(f"{block.strip()}\n{END}\n") for block in pem.split(END)[:-1]]
        except ValueError:
            keys = []  # the error isn't shown: its text may reveal the key
        if not keys or any(key.curve_name != "Ed25519" for key in keys):
            raise ValueError("Must hold Ed25519 private keys in PEM; `openssl genpkey -algorithm ed25519` makes one.")
        self._keys = KeySet([OKPKey.import_key(key.as_dict(private=True, kid=key.thumbprint())) for key in keys])
        self._newest = self._keys.keys[0]
        self._heads = {self._encode({}, key).partition(".")[0] for key in self._keys.keys}

    def public(self) -> dict[str, Any]:
        """The public keys, as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [{**key.as_dict(private=False), "alg": "Ed25519", "use": "sig"} for key in self._keys.keys]}

    def issue(self, subject: str, audience: str, seconds: int, **claims: Any) -> str:
        """Issue a JWT about `subject` for `audience`, valid for `seconds`."""
        now = int(time.time())
        registered = {"iss": ISSUER, "sub": subject, "aud": audience, "iat": now, "exp": now + seconds}
        return self._encode({**registered, **claims}, self._newest)

    def read(self, token: str, audience: str) -> dict[str, Any] | None:
        """The claims of a JWT that was issued here for `audience` and is still valid; else None.

        A token whose header isn't one of ours is refused before it is parsed, so foreign input never reaches the JWT library.
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
        """Sign the payload: a JWS in compact form (RFC 7515)."""
        return jws.serialize_compact(_header("JOSE", self._newest), payload, self._newest, algorithms=ALGORITHMS)

    def _encode(self, claims: dict[str, Any], key: Key) -> str:
        return jwt.encode(_header("JWT", key), claims, key, algorithms=ALGORITHMS)


def _header(kind: str, key: Key) -> dict[str, Any]:
    return {"alg": "Ed25519", "typ": kind, "kid": key.kid}
