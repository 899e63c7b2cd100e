"""Sign-ins and their refresh tokens. Each refresh token is used once and replaced by the next one.

A token's secret has 12 digits that all tokens of its sign-in share, and 28 digits of its own (112 bits). Whoever sends the shared
digits has or had a token of this sign-in. So a token with the right shared digits that is no longer valid was used before: it was
stolen (RFC 9700, section 4.14). An invented token has at most the right prefix, which is no secret, and ends nothing.

The next token is derived from the previous one and a random salt that only the database has. So a client that sends the previous
token again, because the response was lost or from another tab at the same time, gets the same next token. A sign-in never
branches.
"""

import hmac
import secrets
from typing import Any, NamedTuple

import psycopg

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute
from event_tracker.core.secrets.keys import hash_key, is_key, make_key, prefix_of
from event_tracker.query.auth.audit_writer import write_audit

QUERIES = load_queries("event_tracker.query.auth")

KIND = "rf"
"""The prefixes of refresh tokens begin with it."""

OWN_DIGITS = 28
SALT_BYTES = 32

GRACE_SECONDS = 10.0
"""How long after its first use the previous token is still accepted: the response with the newest one may have been lost."""

ATTEMPTS = 2
"""A second attempt is made if another request has just renewed the sign-in with the same token."""


class PasswordSignIn(NamedTuple):
    """A new sign-in by password: its first refresh token and the person's rights. `one_time`: it was a one-time password."""

    token: str
    role: str
    sources: list[str] | None
    one_time: bool


class RenewedSignIn(NamedTuple):
    """A renewed sign-in: its person, and its newest refresh token."""

    person: str
    token: str


class _StoredSignIn(NamedTuple):
    """A sign-in as it is stored. `in_grace`: the previous token is still accepted (GRACE_SECONDS)."""

    person: str
    hash: bytes
    previous_hash: bytes | None
    family_hash: bytes | None
    renewal_salt: bytes | None
    in_grace: bool

    def is_newest(self, token: str) -> bool:
        return is_key(token, self.hash)

    def is_in_grace(self, token: str) -> bool:
        return self.in_grace and self.previous_hash is not None and is_key(token, self.previous_hash)

    def is_member(self, token: str) -> bool:
        """Whether the token belongs or belonged to this sign-in."""
        if self.is_newest(token) or (self.previous_hash is not None and is_key(token, self.previous_hash)):
            return True
        return self.family_hash is not None and is_key(_family_part(token), self.family_hash)


class SignIns:
    """Begins, renews and ends sign-ins."""

    def __init__(self, control: ConnectionPool[psycopg.Connection], *, refresh_days: int, oidc_hours: int) -> None:
        self._control = control
        self._days = refresh_days
        self._oidc_hours = oidc_hours

    def begin(self, person: str) -> str:
        """Begin a sign-in. Returns its first refresh token."""
        token, given = self._make_token()
        self._execute("begin_sign_in", person=person, **given)
        return token

    def begin_by_password(self, person: str, stored: str) -> PasswordSignIn | None:
        """Begin a sign-in by the password with this stored hash. None if the person's password was changed meanwhile."""
        token, given = self._make_token()
        begun = self._execute("begin_sign_in_by_password", name=person, password_hash=stored, **given)
        return PasswordSignIn(token, *begun[0]) if begun else None

    def _make_token(self) -> tuple[str, dict[str, Any]]:
        new = make_key(KIND)
        given = {
            "prefix": new.prefix,
            "hash": new.hash,
            "family_hash": hash_key(_family_part(new.key)),
            "days": self._days,
        }
        return new.key, given

    def renew(self, token: str) -> RenewedSignIn | None:
        """Replace a refresh token by the next one. None if the sign-in has ended, or ends now because the token was used before."""
        for _ in range(ATTEMPTS):
            row = self._find(token)
            if row is None:
                return None
            if row.is_newest(token):
                salt = secrets.token_bytes(SALT_BYTES)
                following = _derive_next(token, salt)
                if self._replace(token, following, salt):
                    return RenewedSignIn(row.person, following)
                continue
            if row.is_in_grace(token):
                following = _derive_next(token, row.renewal_salt or b"")
                # They differ if an instance of the previous release made the newest one: it made all digits at random.
                return RenewedSignIn(row.person, following) if row.is_newest(following) else None
            if row.is_member(token):
                self._end_stolen(token, row.person)
            return None
        return None

    def end(self, token: str) -> None:
        """End the sign-in that this refresh token belongs or belonged to. An old token may have been stolen, which is audited."""
        row = self._find(token)
        if row is None or not row.is_member(token):
            return
        if row.is_newest(token) or row.is_in_grace(token):
            self._execute("end_sign_in", prefix=prefix_of(token))
        else:
            self._end_stolen(token, row.person)

    def end_all(self, person: str) -> None:
        """End all sign-ins of a person."""
        self._execute("end_sign_ins", person=person)

    def _end_stolen(self, token: str, person: str) -> None:
        if self._execute("end_sign_in", prefix=prefix_of(token)):
            write_audit(self._control, person, "refresh_token_reused")

    def _find(self, token: str) -> _StoredSignIn | None:
        given = {"prefix": prefix_of(token), "grace": GRACE_SECONDS, "oidc_hours": self._oidc_hours}
        return next((_StoredSignIn(*found) for found in self._execute("find_sign_in", **given)), None)

    def _replace(self, token: str, following: str, salt: bytes) -> bool:
        """Make `following` the newest token. Returns False if `token` no longer is the newest."""
        given = {"hash": hash_key(following), "shown": hash_key(token), "salt": salt}
        return bool(
            self._execute(
                "renew_sign_in",
                prefix=prefix_of(token),
                family_hash=hash_key(_family_part(token)),
                days=self._days,
                **given,
            )
        )

    def _execute(self, statement: str, **parameters: Any) -> list[Any]:
        return execute(self._control, QUERIES[statement], parameters)


def _family_part(token: str) -> str:
    """The beginning that all tokens of a sign-in share."""
    return token[:-OWN_DIGITS]


def _derive_next(token: str, salt: bytes) -> str:
    """The token that follows this one."""
    return _family_part(token) + hmac.digest(salt, token.encode(), "sha256").hex()[:OWN_DIGITS]
