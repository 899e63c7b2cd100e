"""The sign-ins of browsers. Access tokens stay in this process; the browser has only the refresh token, in a cookie.

The query service accepts a refresh token once. So it changes while a page is open, when no cookie can be set. The page then
requests /sign-in/keep, which sets the cookie. Until then the previous token still identifies the sign-in here.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import requests

from event_tracker.dashboard.client import service
from event_tracker.dashboard.client.service import RefusedError

EARLY_SECONDS = 30
"""How long before its end an access token is renewed."""

GRACE_SECONDS = 10
"""How long the previous cookie is still accepted after the browser got the next: another tab may just be sending it."""

IDLE_SECONDS = 24 * 3600
"""A sign-in that is idle for so long is dropped here. The browser's cookie can start it again."""


class SignedOutError(Exception):
    """Nobody is signed in, or the sign-in has ended."""


class BrowserSignIn:
    """One sign-in in one browser.

    Attributes:
        name: the person's name.
        key: a unique key of this sign-in.
        must_set_password: whether nothing else is allowed until a password is set.
        cookie_is_current: whether the browser's cookie has the newest refresh token.
        renewals: how often the refresh token has changed.
        refresh_seconds: seconds for which the refresh token is valid.
    """

    def __init__(self, registry: "BrowserSignIns", given: dict[str, Any]) -> None:
        self.name: str = given["person"]["name"]
        self.must_set_password: bool = given["must_set_password"]
        self.key = secrets.token_hex(8)
        self.renewals = 0
        self.cookie_is_current = False
        self.used = time.monotonic()
        self._registry = registry
        self._lock = threading.Lock()
        self._store_tokens(given)

    @property
    def ended(self) -> bool:
        """Whether the sign-in was dropped here."""
        return not self._registry.has(self, self._refresh_token)

    def request(self, method: str, path: str, **how: Any) -> requests.Response:
        """Send a request as this person. Returns the response with its body not yet read.

        Raises:
            SignedOutError: the sign-in has ended.
            UnavailableError, RefusedError: as `service.request` does.
        """
        self.used = time.monotonic()
        token = self._fresh_token(lambda: time.monotonic() >= self._renew_at)
        try:
            return service.request(method, path, token, **how)
        except RefusedError as refused:
            if refused.status != 401:
                raise
        # Perhaps only the access token isn't accepted any more, since the query service has new signing keys.
        token = self._fresh_token(lambda: self._access_token == token)
        try:
            return service.request(method, path, token, **how)
        except RefusedError as refused:
            if refused.status != 401:
                raise
            self._registry.end(self)
            raise SignedOutError from refused

    def take_cookie_token(self) -> str:
        """The newest refresh token, for the browser's cookie. Older ones soon expire."""
        with self._lock:
            self._registry.expire(self, but=self._refresh_token)
            self.cookie_is_current = True
            return self._refresh_token

    def revoke(self) -> None:
        """End the sign-in at the query service. Raises as `service.request` does."""
        with self._lock:
            service.post("/auth/sign-out", refresh_token=self._refresh_token)

    def _fresh_token(self, stale: Callable[[], bool]) -> str:
        """The access token. If it is stale, get a new one first."""
        with self._lock:
            if stale():
                try:
                    given = service.post("/auth/refresh", refresh_token=self._refresh_token)
                except RefusedError as refused:
                    if refused.status != 401:
                        raise
                    self._registry.forget(self)
                    raise SignedOutError from refused
                self._store_tokens(given)
            return self._access_token

    def _store_tokens(self, given: dict[str, Any]) -> None:
        self._access_token: str = given["access_token"]
        self._refresh_token: str = given["refresh_token"]
        self.refresh_seconds: int = given["refresh_expires_in"]
        life = given["expires_in"]
        self._renew_at = time.monotonic() + life - min(EARLY_SECONDS, life / 2)
        self.renewals += 1
        self.cookie_is_current = False
        self._registry.add(self, self._refresh_token)


class BrowserSignIns:
    """The sign-ins of this process, by the hash of a refresh token, with the time until which the token is accepted."""

    def __init__(self) -> None:
        self._found: dict[bytes, tuple[BrowserSignIn, float]] = {}
        self._lock = threading.Lock()
        self._locks_by_token = [threading.Lock() for _ in range(64)]

    def begin(self, given: dict[str, Any]) -> BrowserSignIn:
        """Start a sign-in with tokens that the query service has just issued."""
        self._drop(lambda signed_in, _: signed_in.used < time.monotonic() - IDLE_SECONDS)
        return BrowserSignIn(self, given)

    def find(self, token: str) -> BrowserSignIn | None:
        """Find the sign-in of a cookie; None if it has ended. An unknown token is refreshed at the query service.

        Raises:
            UnavailableError, RefusedError: as `service.request` does.
        """
        with self._locks_by_token[
            _hash(token)[0] % len(self._locks_by_token)
        ]:  # two tabs may come at once with the same
            signed_in = self.find_local(token)
            if signed_in is None:
                try:
                    signed_in = self.begin(service.post("/auth/refresh", refresh_token=token))
                except RefusedError as refused:
                    if refused.status not in (401, 404, 422):
                        raise
            return signed_in

    def find_local(self, token: str) -> BrowserSignIn | None:
        """Find the sign-in of a cookie among those of this process."""
        signed_in, until = self._found.get(_hash(token), (None, 0.0))
        return signed_in if until > time.monotonic() else None

    def end(self, signed_in: BrowserSignIn) -> None:
        """Sign out. If the query service doesn't answer, the sign-in ends at least here."""
        try:
            signed_in.revoke()
        except (service.UnavailableError, RefusedError):
            pass
        finally:
            self.forget(signed_in)

    def forget(self, signed_in: BrowserSignIn) -> None:
        """Drop the sign-in."""
        self._drop(lambda found, _: found is signed_in)

    def has(self, signed_in: BrowserSignIn, token: str) -> bool:
        """Whether this token belongs to the sign-in."""
        return self._found.get(_hash(token), (None,))[0] is signed_in

    def add(self, signed_in: BrowserSignIn, token: str) -> None:
        """Add a token of the sign-in."""
        with self._lock:
            self._found[_hash(token)] = (signed_in, float("inf"))

    def expire(self, signed_in: BrowserSignIn, but: str) -> None:
        """Let all tokens of the sign-in expire soon, except this one."""
        now = time.monotonic()
        self._drop(lambda _, until: until < now)
        with self._lock:
            for key, (found, until) in self._found.items():
                if found is signed_in and key != _hash(but):
                    self._found[key] = (signed_in, min(until, now + GRACE_SECONDS))

    def _drop(self, which: Callable[[BrowserSignIn, float], bool]) -> None:
        with self._lock:
            self._found = {key: found for key, found in self._found.items() if not which(*found)}


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


sign_ins = BrowserSignIns()
"""The sign-ins of this process."""
