"""Signing in by an OpenID Connect provider: authorization code flow with PKCE, state and nonce (RFC 9700, section 2.1).

The service keeps no state between the two steps. What the second step needs travels with the browser, in a signed `transaction`.
The dashboard puts it into a cookie that no script can read. Without that cookie the code can't be used.
"""

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated
from urllib.parse import urlencode

import gevent
import msgspec
from gevent.lock import BoundedSemaphore
from joserfc.util import urlsafe_b64encode
from msgspec import Meta

from event_tracker.core.http.errors import Problem
from event_tracker.query.auth.oidc_provider import Json, Provider, ProviderRefusedError, ProviderUnavailableError
from event_tracker.query.auth.principal import ROLES
from event_tracker.query.auth.signing import Signer
from event_tracker.query.auth.staff import ExternalIdentity, SignedIn, Staff

AUDIENCE = "oidc"
"""Audience of a transaction, so that it is never accepted as an access token."""

TRANSACTION_SECONDS = 600
"""How long a person may take to sign in at the provider."""

MAX_SECONDS = 8.0
"""How long the provider may take in total before it counts as unavailable."""

AT_ONCE = 8
"""Concurrent requests to the provider; others wait for these."""

log = logging.getLogger("query.access.oidc")


class SignInStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign-in by the provider, begun."""

    authorization_url: Annotated[str, Meta(description="Where the browser is sent.")]
    transaction: Annotated[
        str, Meta(description="Kept for this browser, where no other browser and no script can read it.")
    ]
    expires_in: Annotated[int, Meta(description="Seconds for which the transaction counts.")]
    redirect_uri: Annotated[str, Meta(description="Where the provider sends the browser.")]


class Oidc:
    """Signs people in by an OpenID Connect provider.

    Args:
        redirect_uri: the dashboard's address to which the provider sends browsers. It is never taken from a request.
        roles: value of the role claim → role. If several match, the one with the most scopes counts.
        sources: the sources that new members of staff may see; empty is all.
        role_claim, name_claim: claims of the ID token.
    """

    def __init__(
        self,
        provider: Provider,
        issuer: str,
        staff: Staff,
        signer: Signer,
        *,
        client_id: str,
        redirect_uri: str,
        scopes: Sequence[str],
        role_claim: str,
        name_claim: str,
        roles: Mapping[str, str],
        sources: Sequence[str],
    ) -> None:
        self._provider, self._issuer, self._staff, self._signer = provider, issuer, staff, signer
        self._client_id, self._redirect_uri, self._scopes = client_id, redirect_uri, scopes
        self._role_claim, self._name_claim, self._roles = role_claim, name_claim, roles
        self._sources = list(sources) or None
        self._slots = BoundedSemaphore(AT_ONCE)

    def begin(self) -> SignInStart:
        """Begin a transaction.

        Raises:
            Problem: 503 if the provider is unavailable.
        """
        with self._translate_errors():
            endpoint = self._provider.metadata()["authorization_endpoint"]
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        parameters = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self._scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": make_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        transaction = self._signer.issue(state, AUDIENCE, TRANSACTION_SECONDS, nonce=nonce, verifier=verifier)
        url = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"
        return SignInStart(url, transaction, TRANSACTION_SECONDS, self._redirect_uri)

    def finish(self, code: str, state: str, transaction: str, issuer: str | None) -> SignedIn:
        """Sign in the person that the provider has authenticated.

        Raises:
            Problem: 401 if the provider refuses, 403 if the person may not sign in, 503 if the provider is unavailable.
        """
        begun = self._signer.read(transaction, AUDIENCE)
        if begun is None or not compare_digest(begun["sub"].encode(), state.encode()):
            raise _refused("another browser's, or too late")
        with self._translate_errors():
            self._provider.check_issuer(issuer)
            token = self._provider.redeem(code, begun["verifier"], self._redirect_uri)
            claims = self._provider.read(token, begun["nonce"])
        return self._staff.sign_in_by_provider(self._identity(claims))

    def _identity(self, claims: Json) -> ExternalIdentity:
        given = claims.get(self._role_claim)
        values = given if isinstance(given, list) else [given]
        roles = {self._roles[value] for value in values if isinstance(value, str) and value in self._roles}
        role = max(roles, key=lambda role: len(ROLES[role]), default=None)
        name = claims.get(self._name_claim)
        unsure = self._name_claim == "email" and claims.get("email_verified") is not True
        name = "" if unsure else str(name or "").lower()
        return ExternalIdentity(f"{self._issuer} {claims['sub']}", name, role, self._sources)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Run the block within MAX_SECONDS, and turn the provider's errors into problems."""
        try:
            with gevent.Timeout(MAX_SECONDS, ProviderUnavailableError("too slow")), self._slots:
                yield
        except ProviderUnavailableError as error:
            log.warning("The OpenID Connect provider is unavailable: %s", error)
            detail = "The provider by which people sign in doesn't answer. Try again in a moment."
            raise Problem(503, "provider_away", detail, headers={"Retry-After": "5"}) from None
        except ProviderRefusedError as error:
            raise _refused(str(error)) from None


def make_code_challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636, section 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).decode("ascii")


def _refused(why: str) -> Problem:
    log.info("A sign-in by OpenID Connect was refused: %s", why)
    return Problem(401, "oidc_refused", "This sign-in has ended, or isn't this browser's. Begin again.")
