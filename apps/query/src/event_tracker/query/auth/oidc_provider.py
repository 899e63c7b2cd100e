"""Client of an OpenID Connect provider: its metadata, its keys, and the exchange of a code for an ID token."""

import json
import threading
import time
from typing import Any
from urllib.parse import quote_plus

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key
from urllib3.exceptions import HTTPError

ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
"""Accepted signature algorithms, all asymmetric. `none` and HMAC are refused, whatever a token's header says."""

FRESH_SECONDS = 3600.0
"""How long the provider's metadata and keys are cached."""

AGAIN_SECONDS = 10.0
"""An unknown key causes the keys to be fetched again, but not more often than this."""

LEEWAY_SECONDS = 60
"""How much the provider's clock may differ."""

PAUSE_SECONDS = 3.0
"""Timeout for each read from the provider. The total is limited in event_tracker.query.auth.oidc."""

MAX_BYTES = 256 * 1024

Json = dict[str, Any]


class ProviderUnavailableError(Exception):
    """The provider doesn't answer, or its answer isn't valid."""


class ProviderRefusedError(Exception):
    """The provider refused the code, or its ID token isn't valid."""


class Provider:
    """One provider, known by its issuer.

    Args:
        issuer: compared literally with every issuer that the provider states.
    """

    def __init__(self, issuer: str, client_id: str, client_secret: str) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._secret = client_secret
        self._lock = threading.Lock()
        self._metadata: tuple[float, Json] | None = None
        self._keys: dict[str | None, Key] = {}
        self._keys_at: float | None = None

    def metadata(self) -> Json:
        """The provider's metadata (OpenID Connect Discovery 1.0).

        Raises:
            ProviderUnavailableError
        """
        with self._lock:
            if self._metadata is None or time.monotonic() - self._metadata[0] > FRESH_SECONDS:
                found = _fetch("GET", f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                requirements = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                if found.get("issuer") != self._issuer or not all(
                    isinstance(found.get(name), str) for name in requirements
                ):
                    raise ProviderUnavailableError("it describes another issuer")
                self._metadata = (time.monotonic(), found)
            return self._metadata[1]

    def check_issuer(self, given: str | None) -> None:
        """Check that an answer that came through the browser is this provider's (RFC 9207).

        Raises:
            ProviderUnavailableError, ProviderRefusedError
        """
        needed = self.metadata().get("authorization_response_iss_parameter_supported") is True
        if (needed or given is not None) and given != self._issuer:
            raise ProviderRefusedError("another issuer")

    def redeem(self, code: str, verifier: str, redirect_uri: str) -> str:
        """Exchange a code for an ID token. The token isn't validated yet.

        Raises:
            ProviderUnavailableError, ProviderRefusedError
        """
        metadata = self.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        auth = None
        if "client_secret_basic" in metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            auth = (quote_plus(self._client_id), quote_plus(self._secret))  # RFC 6749, section 2.3.1
        else:
            form |= {"client_id": self._client_id, "client_secret": self._secret}
        token = _fetch("POST", metadata["token_endpoint"], data=form, auth=auth).get("id_token")
        if not isinstance(token, str):
            raise ProviderUnavailableError("it gave no ID token")
        return token

    def read(self, id_token: str, nonce: str) -> Json:
        """Validate an ID token and return its claims (OpenID Connect Core 1.0, section 3.1.3.7).

        Raises:
            ProviderUnavailableError, ProviderRefusedError
        """
        requirements = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims: Json = jwt.decode(id_token, self._find_key, algorithms=ALGORITHMS).claims
            requirements.validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderRefusedError(f"its ID token doesn't hold: {type(error).__name__}") from None
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        authorized_party = claims.get("azp", self._client_id if len(audiences) == 1 else None)
        if self._client_id not in audiences or authorized_party != self._client_id:
            raise ProviderRefusedError("its ID token is for somebody else")
        return claims

    def _find_key(self, token: Any) -> Key:
        """The key that the token's header names. Loads the keys again if they are old or lack it."""
        kid = token.headers().get("kid")
        with self._lock:
            age = float("inf") if self._keys_at is None else time.monotonic() - self._keys_at
            if age > FRESH_SECONDS or (age > AGAIN_SECONDS and self._known_key(kid) is None):
                self._load_keys()
            found = self._known_key(kid)
        if found is None:
            raise ProviderRefusedError("its ID token is signed by an unknown key")
        return found

    def _known_key(self, kid: str | None) -> Key | None:
        """The key with this id. A token may omit the id only if the provider has a single key."""
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _load_keys(self) -> None:
        assert self._metadata is not None
        listed = _fetch("GET", self._metadata[1]["jwks_uri"]).get("keys")
        if not isinstance(listed, list):
            raise ProviderUnavailableError("it gave no keys")
        self._keys = {}
        for one in listed:
            if isinstance(one, dict) and one.get("use", "sig") == "sig" and one.get("kty") in ("RSA", "EC", "OKP"):
                try:
                    self._keys[one.get("kid")] = import_key(one)
                except (JoseError, ValueError, TypeError):
                    continue  # an unsupported kind of key; the others may still be usable
        self._keys_at = time.monotonic()


def _fetch(method: str, url: str, **how: Any) -> Json:
    """Fetch a JSON object. Redirects aren't followed: they would send the client secret elsewhere.

    Raises:
        ProviderUnavailableError: there is no answer, or it isn't a valid one.
        ProviderRefusedError: the provider refused the code.
    """
    try:
        with requests.request(
            method,
            url,
            timeout=PAUSE_SECONDS,
            allow_redirects=False,
            stream=True,
            headers={"Accept": "application/json"},
            **how,
        ) as answer:
            body = answer.raw.read(MAX_BYTES + 1, decode_content=True)
            status = answer.status_code
    except (requests.RequestException, OSError, HTTPError) as error:
        raise ProviderUnavailableError(type(error).__name__) from None
    try:
        found = json.loads(body) if len(body) <= MAX_BYTES else None
    except (ValueError, RecursionError):  # nested too deep
        found = None
    if not isinstance(found, dict):
        raise ProviderUnavailableError(f"{status} without a JSON object")
    if status == 400 and found.get("error") == "invalid_grant":
        raise ProviderRefusedError("it doesn't take this code")
    if status != 200:
        raise ProviderUnavailableError(f"{status}")
    return found
