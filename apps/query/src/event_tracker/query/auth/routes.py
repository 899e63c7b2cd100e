"""The routes of signing in."""

from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec
from marshmallow import fields
from msgspec import Meta

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.routes import PUBLIC, Answer, Route
from event_tracker.core.secrets.passwords import LEAST_CHARACTERS, MAX_CHARACTERS
from event_tracker.query.answers import answer
from event_tracker.query.auth.calls import Call
from event_tracker.query.auth.guard import ONE_TIME
from event_tracker.query.auth.oidc import Oidc, SignInStart
from event_tracker.query.auth.principal import SCOPES, Scope
from event_tracker.query.auth.signing import Signer
from event_tracker.query.auth.staff import SignedIn, Staff
from event_tracker.query.parameter_types import text_field
from event_tracker.query.request_body import SMALL_BYTES, BodySchema


class SignInSchema(BodySchema):
    """Body of POST /auth/sign-in."""

    name = fields.String(required=True, validate=text_field(1, 100).validate)
    password = fields.String(required=True, validate=text_field(1, MAX_CHARACTERS).validate)


class RefreshSchema(BodySchema):
    """Body of POST /auth/refresh and POST /auth/sign-out."""

    refresh_token = fields.String(required=True, validate=text_field(1, 200).validate)


class PasswordSchema(BodySchema):
    """Body of POST /auth/password."""

    password = fields.String(required=True, validate=text_field(LEAST_CHARACTERS, MAX_CHARACTERS).validate)
    current_password = fields.String(
        validate=text_field(1, MAX_CHARACTERS).validate,
        metadata={"description": "The one until now. Left out after a sign-in by a password for one sign-in."},
    )


class OidcSchema(BodySchema):
    """Body of POST /auth/oidc."""

    code = fields.String(
        required=True, validate=text_field(1, 4096).validate, metadata={"description": "The provider's."}
    )
    state = fields.String(
        required=True, validate=text_field(1, 200).validate, metadata={"description": "The provider's."}
    )
    transaction = fields.String(
        required=True,
        validate=text_field(1, 2000).validate,
        metadata={"description": "What GET /auth/oidc gave, kept for this browser."},
    )
    iss = fields.String(
        validate=text_field(1, 1000).validate, metadata={"description": "The provider's, if it sends one."}
    )


class Who(msgspec.Struct, forbid_unknown_fields=True):
    """Who asks."""

    kind: Annotated[str, Meta(extra_json_schema={"enum": ["token", "person", "anyone"]})]
    name: str
    scopes: list[Annotated[str, Meta(extra_json_schema={"enum": list(SCOPES)})]]
    sources: list[str] | None
    by_provider: Annotated[bool, Meta(description="A person who signs in by a provider, and has no password here.")]


class Methods(msgspec.Struct, forbid_unknown_fields=True):
    """How people get in."""

    required: Annotated[bool, Meta(description="Nobody is answered without credentials.")]
    password: Annotated[bool, Meta(description="People sign in by POST /auth/sign-in.")]
    oidc: Annotated[bool, Meta(description="People sign in by a provider, GET /auth/oidc.")]


class Access(NamedTuple):
    """What the routes work with.

    Attributes:
        is_required: whether nobody is answered without credentials.
        opens_nothing: scopes of what is off on this instance.
    """

    staff: Staff | None
    signer: Signer | None
    oidc: Oidc | None
    is_required: bool
    opens_nothing: frozenset[Scope] = frozenset()


def begin_oidc(access: Access, _: Call) -> SignInStart:
    return _require_oidc(access).begin()


def finish_oidc(access: Access, call: Call) -> SignedIn:
    oidc, given = _require_oidc(access), call.body(SMALL_BYTES)
    return oidc.finish(given["code"], given["state"], given["transaction"], given.get("iss"))


def sign_in(access: Access, call: Call) -> SignedIn:
    given = call.body(SMALL_BYTES)
    return _require_staff(access).sign_in(given["name"], given["password"])


def refresh(access: Access, call: Call) -> SignedIn:
    return _require_staff(access).refresh(call.body(SMALL_BYTES)["refresh_token"])


def sign_out(access: Access, call: Call) -> None:
    _require_staff(access).sign_out(call.body(SMALL_BYTES)["refresh_token"])


def set_password(access: Access, call: Call) -> None:
    if call.principal.kind != "person":
        raise Problem(403, "people_only", "Only people who have signed in have passwords.")
    given = call.body(SMALL_BYTES)
    _require_staff(access).set_password(call.principal, given.get("current_password"), given["password"])


def who_am_i(access: Access, call: Call) -> Who:
    who = call.principal
    sources = None if who.sources is None else sorted(who.sources)
    return Who(who.kind, who.name, sorted(who.scopes - access.opens_nothing), sources, who.by_provider)


def ways_in(access: Access, _: Call) -> Methods:
    return Methods(access.is_required, access.staff is not None, access.oidc is not None)


def keys(access: Access, _: Call) -> dict[str, Any]:
    return access.signer.public() if access.signer else {"keys": []}


def _require_oidc(access: Access) -> Oidc:
    if access.oidc is None:
        raise Problem(404, "no_oidc", "Nobody signs in by a provider here: OIDC_ISSUER isn't set.")
    return access.oidc


def _require_staff(access: Access) -> Staff:
    if access.staff is None:
        raise Problem(404, "no_sign_in", "Nobody signs in here: CONTROL_DATABASE_URL isn't set.")
    return access.staff


PROBLEMS = {
    400: "Not JSON.",
    404: "Nobody signs in here: CONTROL_DATABASE_URL isn't set.",
    401: "Wrong, expired or revoked credentials.",
    413: "A body that is too large.",
    415: "Not application/json.",
    422: "A member is missing or wrong.",
    429: "Too many wrong passwords for this name; Retry-After says how long.",
    503: "The database is unavailable.",
}
NOT_A_PERSON = "Not a person who has signed in; the current password is wrong; or one for one sign-in has expired."
START_PROBLEMS = {404: "OIDC_ISSUER isn't set.", 503: "The provider is unavailable."}
OIDC_PROBLEMS = {**PROBLEMS, **START_PROBLEMS, 403: "No role, no name, or disabled."}
del OIDC_PROBLEMS[429]
SIGNED_IN = answer(SignedIn, "Signed in.")
DONE = {204: Answer("Done.")}
KEYS = answer({"type": "object"}, "A JSON Web Key Set.")
_post = partial(Route, "POST", tag="access")
_get = partial(Route, "GET", tag="access")

ACCESS = [
    _post("/auth/sign-in", sign_in, "Sign in with name and password.", access=PUBLIC, is_secret=True,
          body=SignInSchema, answers=SIGNED_IN, problems=PROBLEMS),
    _post("/auth/refresh", refresh, "Go on with a sign-in: new tokens for a refresh token.", access=PUBLIC, is_secret=True,
          body=RefreshSchema, answers=SIGNED_IN, problems=PROBLEMS),
    _post("/auth/sign-out", sign_out, "End a sign-in.", access=PUBLIC, body=RefreshSchema, answers=DONE, problems=PROBLEMS),
    _post("/auth/password", set_password, "Set one's password; all sign-ins end, with their access tokens.", access=ONE_TIME,
          body=PasswordSchema, answers=DONE, problems={**PROBLEMS, 403: NOT_A_PERSON}),
    _post("/auth/oidc", finish_oidc, "Finish a sign-in by the provider.", access=PUBLIC, is_secret=True,
          body=OidcSchema, answers=SIGNED_IN, problems=OIDC_PROBLEMS),
    _get("/auth/oidc", begin_oidc, "Begin a sign-in by the provider.", access=PUBLIC, is_secret=True,
         answers=answer(SignInStart, "Begun."), problems=START_PROBLEMS),
    _get("/auth/me", who_am_i, "Who asks, and what they may.", access=ONE_TIME,
         answers=answer(Who, "Who asks."), problems={401: PROBLEMS[401], 403: "Not enough."}),
    _get("/auth/methods", ways_in, "How people get in.", access=PUBLIC, answers=answer(Methods, "How people get in.")),
    _get("/.well-known/jwks.json", keys, "Public keys of what is signed here.", access=PUBLIC, answers=KEYS),
]  # fmt: skip
