"""The staff: people who sign in. In answers and tables each is a `person`; no user of a site is meant, whatever their ids."""

import re
from typing import Annotated, Any, NamedTuple

import msgspec
import psycopg
from msgspec import Meta

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, attempt, execute
from event_tracker.core.secrets.keys import prefix_of
from event_tracker.query.auth.audit_writer import audit_entry, write_audit
from event_tracker.query.auth.passwords import Passwords
from event_tracker.query.auth.principal import ROLES, Principal
from event_tracker.query.auth.sign_ins import SignIns
from event_tracker.query.auth.signing import Signer
from event_tracker.query.auth.tokens import RecentCache
from event_tracker.query.parameters import ParameterError, invalid_parameters

QUERIES = load_queries("event_tracker.query.auth")

NAME = re.compile(r"(?!(owner|anyone|rt_[0-9a-f]{10})\Z)[a-z0-9][a-z0-9._@+-]{0,99}")
"""Valid names of members of staff. Excluded are the names of other actors in the audit log: the database's owner, anonymous clients, and
prefixes of tokens."""

AUDIENCE = "query"

FRESH_SECONDS = 2.0
"""How long a role is cached. A disabled member of staff is refused everywhere after this time."""

MAX_KNOWN = 10_000
"""Sign-ins that the cache holds."""

WRONG = "No person with this name and password may sign in."
EXPIRED = "The password for one sign-in has expired, or was replaced. Ask an admin for another."


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person who signed in: their role, and the sources that they may see."""

    name: str
    role: Annotated[str, Meta(extra_json_schema={"enum": sorted(ROLES)})]
    sources: Annotated[list[str] | None, Meta(description="Whose events; null is all.")]


class ExternalIdentity(NamedTuple):
    """A member of staff as an OpenID Connect provider describes them.

    Attributes:
        subject: issuer, a space, and the provider's `sub` for them, which is never given to somebody else.
        name: their name; "" if the provider gives none that is verified.
        role: None if the provider gives none.
        sources: the sources that they may see if they are new; None is all.
    """

    subject: str
    name: str
    role: str | None
    sources: list[str] | None


class SignedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens of a person who has signed in (RFC 6749, section 5.1)."""

    access_token: Annotated[str, Meta(description="Sent as `Authorization: Bearer`.")]
    token_type: str
    expires_in: Annotated[int, Meta(description="Seconds for which the access token counts.")]
    refresh_token: Annotated[str, Meta(description="For POST /auth/refresh, once.")]
    refresh_expires_in: Annotated[int, Meta(description="Seconds for which the refresh token counts if it isn't used.")]
    must_set_password: Annotated[
        bool,
        Meta(
            description="The password was for one sign-in: all that is allowed is POST /auth/password, to set another."
        ),
    ]
    person: Person


class Staff:
    """Signs members of staff in, and authenticates their access tokens."""

    def __init__(
        self,
        control: ConnectionPool[psycopg.Connection],
        signer: Signer,
        *,
        access_seconds: int,
        refresh_days: int,
        oidc_hours: int,
    ) -> None:
        self._access_seconds = access_seconds
        self._control = control
        self._signer = signer
        self._refresh_seconds = refresh_days * 24 * 3600
        self._sign_ins = SignIns(control, refresh_days=refresh_days, oidc_hours=oidc_hours)
        self._passwords = Passwords(control)
        self._recent: RecentCache[tuple[str, str], Principal] = RecentCache(FRESH_SECONDS, MAX_KNOWN)

    def authenticate(self, access_token: str) -> Principal | None:
        """The principal of an access token. None if it is invalid or has expired, its sign-in has ended, or they are disabled."""
        claims = self._signer.read(access_token, AUDIENCE)
        if claims is None or "sid" not in claims:
            return None
        name, sign_in = str(claims["sub"]), str(claims["sid"])
        return self._recent.get_or_load((name, sign_in), lambda: self._load_principal(name, sign_in))

    def sign_in(self, name: str, password: str) -> SignedIn:
        """Check a password and begin a sign-in.

        Raises:
            Problem: 401 for a wrong one, 429 while the name is locked, 503 while many are checked. None of them reveals whether
                the name exists.
        """
        begun = self._passwords.check(name, password, lambda stored: self._sign_ins.begin_by_password(name, stored))
        if begun is None:
            raise Problem(401, "wrong_password", WRONG)
        write_audit(self._control, name, "sign_in")
        return self._issue_tokens(
            Person(name, begun.role, begun.sources), begun.token, must_set_password=begun.one_time
        )

    def sign_in_by_provider(self, identity: ExternalIdentity) -> SignedIn:
        """Begin a sign-in of whom a provider has authenticated.

        They are found by their subject, and created at the first sign-in. They get the role that the provider gives now. A name
        that somebody else has is refused.

        Raises:
            Problem: 403.
        """
        found = self._execute("find_subject", subject=identity.subject)
        name = found[0][0] if found else identity.name
        if identity.role is None:
            if found:
                self._execute("lose_role", name=name)
                self._sign_ins.end_all(name)
            raise self._refuse(name or identity.subject, "no_role", "The provider gives you no role here.")
        if found and not found[0][1]:
            raise self._refuse(name, "person_disabled", "You may not sign in here any more.")
        if not NAME.fullmatch(name):
            raise self._refuse(identity.subject, "no_name", "The provider gives you no name that is one here.")
        try:
            written = self._execute("welcome", **identity._replace(name=name)._asdict())
        except psycopg.errors.UniqueViolation:
            return self.sign_in_by_provider(
                identity
            )  # another sign-in of theirs has just created them, under another name
        if not written:
            raise self._refuse(name, "name_taken", "Somebody else has your name here. Ask an admin.")
        ((role, sources),) = written
        write_audit(self._control, name, "sign_in", by="oidc", role=role, first=not found)
        return self._issue_tokens(Person(name, role, sources), self._sign_ins.begin(name))

    def _refuse(self, name: str, code: str, detail: str) -> Problem:
        write_audit(self._control, name, "sign_in_refused", by="oidc", why=code)
        return Problem(403, code, detail)

    def refresh(self, token: str) -> SignedIn:
        """Exchange a refresh token for new tokens. A token that was used before was stolen, and ends the sign-in (RFC 9700, 4.14).

        Raises:
            Problem: 401.
        """
        renewed = self._sign_ins.renew(token)
        found = self._find_person(renewed.person, prefix_of(renewed.token)) if renewed else []
        if not (renewed and found):
            raise Problem(401, "invalid_refresh_token", "This sign-in is over. Sign in again.")
        role, sources, _, must_set_password = found[0]
        person = Person(renewed.person, role, sources)
        return self._issue_tokens(person, renewed.token, must_set_password=must_set_password)

    def sign_out(self, token: str) -> None:
        """End the sign-in that a refresh token belongs to, if there is one."""
        self._sign_ins.end(token)

    def set_password(self, principal: Principal, current: str | None, password: str) -> None:
        """Set a password and end all their sign-ins.

        Args:
            current: the current password. It isn't needed after a sign-in by a one-time password, which no longer exists.

        Raises:
            Problem: 403 if they sign in by a provider, or the current password is wrong or has expired; 422 if it is missing;
                503 while many are checked.
        """
        name = principal.name
        if principal.by_provider:
            raise Problem(403, "no_password", "You sign in by a provider, and have no password here.")
        if principal.must_set_password:
            given = {"password_hash": self._passwords.hash(password), "sign_in": principal.sign_in}
            if not self._replace_password("set_first_password", name, **given):
                raise Problem(403, "one_time_password_expired", EXPIRED)
        else:
            if current is None:
                raise invalid_parameters([ParameterError("current_password", "required", "Is missing.")])
            assert principal.sign_in is not None, "members of staff have a sign-in"
            stored = self._passwords.check_current(name, principal.sign_in, current)
            given = {"password_hash": self._passwords.hash(password), "stored": stored}
            if not self._replace_password("set_password", name, **given):
                raise Problem(403, "wrong_password", "The current password is wrong.")
        # Nobody has guessed at the new password yet.
        self._passwords.forget_failures(name)

    def _replace_password(self, statement: str, name: str, **given: Any) -> bool:
        """Replace the password and end the sign-ins in one transaction. Returns False, and changes nothing, if it was changed meanwhile."""

        def replace(connection: psycopg.Connection) -> bool:
            with connection.transaction():
                if not connection.execute(QUERIES[statement], {"name": name, **given}, binary=True).fetchall():
                    return False
                # A separate statement: it also sees a sign-in that was just begun with the old password.
                connection.execute(QUERIES["end_sign_ins"], {"person": name})
                connection.execute(QUERIES["write_audit"], audit_entry(name, "set_password"))
                return True

        return attempt(self._control, replace)

    def _load_principal(self, name: str, sign_in: str) -> Principal | None:
        for role, sources, by_provider, must_set_password in self._find_person(name, sign_in):
            allowed = None if sources is None else frozenset(sources)
            scopes = frozenset() if must_set_password else ROLES[role]
            return Principal("person", name, scopes, allowed, by_provider, sign_in, must_set_password)
        return None

    def _find_person(self, name: str, sign_in: str | None) -> list[Any]:
        return self._execute("find_person", name=name, sign_in=sign_in)

    def _issue_tokens(self, person: Person, refresh_token: str, *, must_set_password: bool = False) -> SignedIn:
        sign_in = prefix_of(refresh_token)
        access_token = self._signer.issue(person.name, AUDIENCE, self._access_seconds, sid=sign_in)
        lives, renewed_for = self._access_seconds, self._refresh_seconds
        return SignedIn(access_token, "Bearer", lives, refresh_token, renewed_for, must_set_password, person)

    def _execute(self, statement: str, **parameters: Any) -> list[Any]:
        return execute(self._control, QUERIES[statement], parameters)
