"""Who has signed in. Access tokens stay in this process; the browser keeps the refresh token alone, in a cookie.

The query service takes a refresh token once, so it changes while a page is open, when no cookie can be set. The cookie follows
when the page next asks for /sign-in/keep; until then the one before is known here.
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
"""An access token is renewed so long before its end."""

GRACE_SECONDS = 10
"""How long a cookie still counts after the browser was given the next: another tab may be on its way with it."""

IDLE_SECONDS = 24 * 3600
"""What nobody used for so long is forgotten here; the browser's cookie brings it back."""


class SignedOutError(Exception):
    """Nobody is signed in, or the sign-in has ended."""


class Session:
    """One sign-in, as one browser has it.

    Attributes:
        name: the person's.
        key: what tells it from others, those of the same person, too.
        must_set_password: whether nothing else is allowed before a password was set.
        given_out: whether the browser's cookie is the newest refresh token.
        turn: how often that changed.
        lasts: seconds for which the refresh token counts.
    """

    def __init__(self, known: "Sessions", given: dict[str, Any]) -> None:
        self.name: str = given["person"]["name"]
        self.must_set_password: bool = given["must_set_password"]
        self.key = secrets.token_hex(8)
        self.turn = 0
        self.cookie_is_current = False
        self.used = time.monotonic()
        self._registry = known
        self._lock = threading.Lock()
        self._store_tokens(given)

    @property
    def ended(self) -> bool:
        """Whether it is known here no more."""
        return not self._registry.has(self, self._refresh_token)

    def request(self, method: str, path: str, **how: Any) -> requests.Response:
        """The response to a request of this person, its body not read yet.

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
        # It may be that only the token isn't taken any more: the query service has got other keys to sign with.
        token = self._fresh_token(lambda: self._access_token == token)
        try:
            return service.request(method, path, token, **how)
        except RefusedError as refused:
            if refused.status != 401:
                raise
            self._registry.end(self)
            raise SignedOutError from refused

    def take_cookie_token(self) -> str:
        """The refresh token, for the browser's cookie."""
        with self._lock:
            self._registry.expire(self, but=self._refresh_token)
            self.cookie_is_current = True
            return self._refresh_token

    def revoke(self) -> None:
        """End it at the query service. Raises as `service.request` does."""
        with self._lock:
            service.post("/auth/sign-out", refresh_token=self._refresh_token)

    def _fresh_token(self, stale: Callable[[], bool]) -> str:
        """The access token, or another if it is stale."""
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
        self.turn += 1
        self.cookie_is_current = False
        self._registry.add(self, self._refresh_token)


class Sessions:
    """The sessions of this process, found by what the browser shows: a hash of the refresh token, and until when it counts."""

    def __init__(self) -> None:
        self._found: dict[bytes, tuple[Session, float]] = {}
        self._lock = threading.Lock()
        self._asking = [threading.Lock() for _ in range(64)]

    def begin(self, given: dict[str, Any]) -> Session:
        """The session of someone whom the query service has just given tokens."""
        self._drop(lambda session, _: session.used < time.monotonic() - IDLE_SECONDS)
        return Session(self, given)

    def find(self, token: str) -> Session | None:
        """Whose cookie this is; None if its sign-in has ended. Asks the query service about one that isn't known here.

        Raises:
            UnavailableError, RefusedError: as `service.request` does.
        """
        with self._asking[_hash(token)[0] % len(self._asking)]:  # two tabs may come at once with the same
            session = self.known(token)
            if session is None:
                try:
                    session = self.begin(service.post("/auth/refresh", refresh_token=token))
                except RefusedError as refused:
                    if refused.status not in (401, 404, 422):
                        raise
            return session

    def known(self, token: str) -> Session | None:
        """Whose cookie this is, if that is known here."""
        session, until = self._found.get(_hash(token), (None, 0.0))
        return session if until > time.monotonic() else None

    def end(self, session: Session) -> None:
        """Sign out. Where the query service can't be told, the sign-in ends here at least."""
        try:
            session.revoke()
        except (service.UnavailableError, RefusedError):
            pass
        finally:
            self.forget(session)

    def forget(self, session: Session) -> None:
        """Know nothing of it any more."""
        self._drop(lambda found, _: found is session)

    def has(self, session: Session, token: str) -> bool:
        """Whether this token is the session's."""
        return self._found.get(_hash(token), (None,))[0] is session

    def add(self, session: Session, token: str) -> None:
        """Know the session by this token, too."""
        with self._lock:
            self._found[_hash(token)] = (session, float("inf"))

    def expire(self, session: Session, but: str) -> None:
        """Soon know the session by this token alone."""
        now = time.monotonic()
        self._drop(lambda _, until: until < now)
        with self._lock:
            for key, (found, until) in self._found.items():
                if found is session and key != _hash(but):
                    self._found[key] = (session, min(until, now + GRACE_SECONDS))

    def _drop(self, which: Callable[[Session, float], bool]) -> None:
        with self._lock:
            self._found = {key: found for key, found in self._found.items() if not which(*found)}


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


sessions = Sessions()
"""Those of this process."""
