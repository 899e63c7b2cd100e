"""People: their passwords, their sign-ins, and what they may do."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import gevent
import psycopg
from gevent.lock import BoundedSemaphore
from psycopg.types.json import Jsonb

from core.passwords import hash_password, is_password
from core.pool import ConnectionPool, execute
from core.problems import Problem
from core.queries import load_queries
from query import metrics
from query.access.principal import ROLES, Principal
from query.access.sign_ins import SignIns
from query.access.signing import Signer

QUERIES = load_queries("query.access")

NAME = re.compile("[a-z0-9][a-z0-9._@+-]{0,99}")

AUDIENCE = "query"

FRESH_SECONDS = 2.0
"""How long a person's role is taken for true: who is disabled is kept out everywhere after so long."""

FREE_FAILURES = 5
LONGEST_LOCK = 900.0
FORGOTTEN_SECONDS = 3600.0
MOST_FAILURES = 100
"""Lock-out: the fifth wrong password in a row locks the name for a second, each further for twice as long, up to 15 minutes;
after an hour without any they are forgotten, and beyond so many they aren't counted further. So there are fewer than 150
guesses a day, and whoever locks somebody else out does so for 15 minutes (OWASP ASVS 5.0, 6.3.1)."""

HASHES_AT_ONCE = 2
"""Each takes 64 MiB."""

TURN_SECONDS = 5.0
"""How long one waits for its turn."""

MOST_TOLD = 60
"""Wrong passwords that one process writes into the audit log in a minute."""

WRONG = "No person with this name and password may sign in."


class Person(NamedTuple):
    """Who signed in: their role, and whose events they may see (None is all)."""

    name: str
    role: str
    sources: list[str] | None


class Vouched(NamedTuple):
    """Whom an OpenID Connect provider vouches for.

    Attributes:
        subject: their identity: issuer, a space, and the provider's name for them, which never changes hands.
        name: what they are called; "" if the provider doesn't say so for sure.
        role: None if the provider says of none.
        sources: whose events they may see if they are new; None is all.
    """

    subject: str
    name: str
    role: str | None
    sources: list[str] | None


class SignIn(NamedTuple):
    """What a person is given.

    Attributes:
        must_set_password: the password was for one sign-in.
    """

    person: Person
    access_token: str
    refresh_token: str
    must_set_password: bool


class People:
    """Signs people in, and recognises them."""

    def __init__(
        self,
        control: ConnectionPool[psycopg.Connection],
        signer: Signer,
        *,
        access_seconds: int,
        refresh_days: int,
        oidc_hours: int,
    ) -> None:
        self.access_seconds = access_seconds
        self._control = control
        self._signer = signer
        self.refresh_seconds = refresh_days * 24 * 3600
        self._sign_ins = SignIns(control, refresh_days=refresh_days, oidc_hours=oidc_hours)
        self._known: dict[str, tuple[float, Principal]] = {}
        self._hashing = BoundedSemaphore(HASHES_AT_ONCE)
        self._minute = self._told = 0

    def find(self, access_token: str) -> Principal | None:
        """Who shows this access token; None if it isn't one, has expired, or is of somebody who may no longer sign in."""
        claims = self._signer.read(access_token, AUDIENCE)
        if claims is None:
            return None
        name = str(claims["sub"])
        known = self._known.get(name)
        if known is not None and time.monotonic() - known[0] <= FRESH_SECONDS:
            return known[1]
        asked = time.monotonic()
        principal = self._look(name)
        if principal is None:
            self._known.pop(name, None)
        else:
            self._known[name] = (asked, principal)
        return principal

    def sign_in(self, name: str, password: str) -> SignIn:
        """Check a password and begin a sign-in.

        Raises:
            Problem: 401 for a wrong one, 429 while the name is locked, 503 while many are checked. None says whether anybody has
                the name.
        """
        self._require_unlocked(name)
        with self._turn():
            # While this one waited, others may have guessed: as many at once as there are connections.
            self._require_unlocked(name)
            stored = next((found for (found,) in self._ask("find_password", name=name)), None)
            right = _in_thread(is_password, password, stored)
            spent = self._ask("spend_one_time_password", name=name, password_hash=stored) if right else []
            if not spent:
                self._count_failure(name)
        if not spent:
            self._tell_failure(name)
            raise Problem(401, "wrong_password", WRONG)
        self._ask("forget_failures", name=name, forgotten=FORGOTTEN_SECONDS)
        self._audit(name, "sign_in")
        ((role, sources, one_time),) = spent
        return self.begin(Person(name, role, sources), must_set_password=one_time)

    def begin(self, person: Person, *, must_set_password: bool = False) -> SignIn:
        """A new sign-in of a person whom something else has made sure of."""
        token = self._sign_ins.begin(person.name)
        return SignIn(person, self._access_token(person.name), token, must_set_password)

    def welcome(self, vouched: Vouched) -> SignIn:
        """Begin a sign-in of somebody whom a provider vouches for: known by the subject, made at the first time, with the role
        that the provider says now. A name that somebody else has isn't given to them.

        Raises:
            Problem: 403.
        """
        found = self._ask("find_subject", subject=vouched.subject)
        name = found[0][0] if found else vouched.name
        if vouched.role is None:
            if found:
                self._sign_ins.end_all(name)
            raise self._not_welcome(name or vouched.subject, "no_role", "The provider gives you no role here.")
        if found and not found[0][1]:
            raise self._not_welcome(name, "person_disabled", "You may not sign in here any more.")
        if not NAME.fullmatch(name):
            raise self._not_welcome(vouched.subject, "no_name", "The provider gives you no name that is one here.")
        try:
            written = self._ask("welcome", **vouched._replace(name=name)._asdict())
        except psycopg.errors.UniqueViolation:
            return self.welcome(vouched)  # made by another sign-in of theirs since, under another name
        if not written:
            raise self._not_welcome(name, "name_taken", "Somebody else has your name here. Ask an admin.")
        ((role, sources),) = written
        self._audit(name, "sign_in", by="oidc", role=role, first=not found)
        return self.begin(Person(name, role, sources))

    def _not_welcome(self, name: str, code: str, detail: str) -> Problem:
        self._audit(name, "sign_in_refused", by="oidc", why=code)
        return Problem(403, code, detail)

    def refresh(self, token: str) -> SignIn:
        """New tokens for a refresh token. One that was used before ends the sign-in: somebody has stolen it (RFC 9700, 4.14).

        Raises:
            Problem: 401.
        """
        renewed = self._sign_ins.renew(token)
        found = self._ask("find_person", name=renewed.person) if renewed else []
        if not (renewed and found):
            raise Problem(401, "invalid_refresh_token", "This sign-in is over. Sign in again.")
        role, sources, _ = found[0]
        person = Person(renewed.person, role, sources)
        return SignIn(person, self._access_token(person.name), renewed.token, must_set_password=False)

    def sign_out(self, token: str) -> None:
        """End the sign-in of a refresh token, if it is or was one."""
        self._sign_ins.end(token)

    def set_password(self, name: str, password: str) -> None:
        """Give a person a password and end all their sign-ins.

        Raises:
            Problem: 403 if they come by a provider.
        """
        with self._turn():
            password_hash = _in_thread(hash_password, password)
        if not self._ask("set_password", name=name, password_hash=password_hash):
            raise Problem(403, "no_password", "You sign in by a provider, and have no password here.")
        self._sign_ins.end_all(name)
        self._audit(name, "set_password")

    def _look(self, name: str) -> Principal | None:
        for role, sources, by_provider in self._ask("find_person", name=name):
            seen = None if sources is None else frozenset(sources)
            return Principal("person", name, ROLES[role], seen, by_provider)
        return None

    def _access_token(self, name: str) -> str:
        return self._signer.issue(name, AUDIENCE, self.access_seconds)

    def _audit(self, name: str, action: str, **detail: Any) -> None:
        self._ask("write_audit", actor=name, action=action, target=name, source=None, detail=Jsonb(detail))

    def _ask(self, statement: str, **parameters: Any) -> list[Any]:
        return execute(self._control, QUERIES[statement], parameters)

    def _require_unlocked(self, name: str) -> None:
        for (seconds,) in self._ask("find_lock", name=name):
            raise Problem(
                429,
                "locked_out",
                "Too many wrong passwords were given for this name. Wait, and try again.",
                headers={"Retry-After": str(seconds)},
            )

    def _count_failure(self, name: str) -> None:
        limits = {"free": FREE_FAILURES, "longest": LONGEST_LOCK, "forgotten": FORGOTTEN_SECONDS, "most": MOST_FAILURES}
        self._ask("count_failure", name=name, **limits)

    def _tell_failure(self, name: str) -> None:
        """Count it, and write it down, if not too many were lately: whoever guesses would fill the audit log."""
        metrics.SIGN_IN_FAILURES.inc()
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._told = minute, 0
        self._told += 1
        if self._told <= MOST_TOLD:
            self._audit(name, "sign_in_failed")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One of few who hash at the same time.

        Raises:
            Problem: 503 if it doesn't come soon.
        """
        if not self._hashing.acquire(timeout=TURN_SECONDS):
            raise Problem(503, "sign_in_busy", "Too many passwords are being checked now. Wait, and try again.")
        try:
            yield
        finally:
            self._hashing.release()


def _in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Hashing takes long and needs no interpreter: others go on meanwhile."""
    return gevent.get_hub().threadpool.apply(work, arguments)
