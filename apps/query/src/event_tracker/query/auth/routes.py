"""HTTP routes for signing in."""

from flask import Blueprint, Response, request
from marshmallow import RAISE, Schema, fields

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.service import json_response
from event_tracker.core.secrets.passwords import LEAST_CHARACTERS, MOST_CHARACTERS
from event_tracker.query.auth.oidc import Oidc
from event_tracker.query.auth.people import People, SignInResult
from event_tracker.query.auth.principal import principal_of
from event_tracker.query.auth.signing import Signer
from event_tracker.query.parameter_types import text_field
from event_tracker.query.request_body import read_json, receive_small_body


class SignInSchema(Schema):
    """Body of POST /auth/sign-in."""

    class Meta:
        unknown = RAISE

    name = fields.String(required=True, validate=text_field(1, 100).validate)
    password = fields.String(required=True, validate=text_field(1, MOST_CHARACTERS).validate)


class RefreshSchema(Schema):
    """Body of POST /auth/refresh and POST /auth/sign-out."""

    class Meta:
        unknown = RAISE

    refresh_token = fields.String(required=True, validate=text_field(1, 200).validate)


class PasswordSchema(Schema):
    """Body of POST /auth/password."""

    class Meta:
        unknown = RAISE

    password = fields.String(required=True, validate=text_field(LEAST_CHARACTERS, MOST_CHARACTERS).validate)
    current_password = fields.String(
        validate=text_field(1, MOST_CHARACTERS).validate,
        metadata={"description": "The one until now. Left out after a sign-in by a password for one sign-in."},
    )


class OidcSchema(Schema):
    """Body of POST /auth/oidc."""

    class Meta:
        unknown = RAISE

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


def oidc_routes(oidc: Oidc | None, people: People | None) -> Blueprint:
    """The routes under /auth/oidc. Without `oidc` they answer 404."""
    views = Blueprint("oidc", __name__)

    def require_oidc() -> tuple[Oidc, People]:
        if oidc is None or people is None:
            raise Problem(404, "no_oidc", "Nobody signs in by a provider here: OIDC_ISSUER isn't set.")
        return oidc, people

    @views.get("/auth/oidc")
    def begin() -> Response:
        response = json_response(require_oidc()[0].begin()._asdict())
        response.headers["Cache-Control"] = "no-store"
        return response

    @views.post("/auth/oidc")
    def finish() -> Response:
        oidc, people = require_oidc()
        given = read_json(OidcSchema(), receive_small_body())
        return _signed_in(oidc.finish(given["code"], given["state"], given["transaction"], given.get("iss")), people)

    return views


def sign_in_routes(people: People | None) -> Blueprint:
    """The routes under /auth. Without `people` they answer 404."""
    views = Blueprint("access", __name__)

    def require_people() -> People:
        if people is None:
            raise Problem(404, "no_sign_in", "Nobody signs in here: CONTROL_DATABASE_URL isn't set.")
        return people

    @views.post("/auth/sign-in")
    def sign_in() -> Response:
        given = read_json(SignInSchema(), receive_small_body())
        return _signed_in(require_people().sign_in(given["name"], given["password"]), require_people())

    @views.post("/auth/refresh")
    def refresh() -> Response:
        return _signed_in(
            require_people().refresh(read_json(RefreshSchema(), receive_small_body())["refresh_token"]),
            require_people(),
        )

    @views.post("/auth/sign-out")
    def sign_out() -> Response:
        require_people().sign_out(read_json(RefreshSchema(), receive_small_body())["refresh_token"])
        return Response(status=204)

    @views.post("/auth/password")
    def set_password() -> Response:
        principal = principal_of(request.environ)
        if principal.kind != "person":
            raise Problem(403, "people_only", "Only people who have signed in have passwords.")
        given = read_json(PasswordSchema(), receive_small_body())
        require_people().set_password(principal, given.get("current_password"), given["password"])
        return Response(status=204)

    @views.get("/auth/me")
    def who_am_i() -> Response:
        principal = principal_of(request.environ)
        return json_response(
            {
                "kind": principal.kind,
                "name": principal.name,
                "scopes": sorted(principal.scopes),
                "sources": None if principal.sources is None else sorted(principal.sources),
                "by_provider": principal.by_provider,
            }
        )

    return views


def sign_in_method_routes(people: People | None, signer: Signer | None, *, required: bool, oidc: bool) -> Blueprint:
    """The public routes: the ways to sign in, and the public keys that verify signatures."""
    views = Blueprint("ways_in", __name__)

    @views.get("/auth/methods")
    def ways_in() -> Response:
        return json_response({"required": required, "password": people is not None, "oidc": oidc})

    @views.get("/.well-known/jwks.json")
    def keys() -> Response:
        return json_response(signer.public() if signer else {"keys": []})

    return views


def _signed_in(signed_in: SignInResult, people: People) -> Response:
    """The token response (RFC 6749, section 5.1), with the person."""
    response = json_response(
        {
            "access_token": signed_in.access_token,
            "token_type": "Bearer",
            "expires_in": people.access_seconds,
            "refresh_token": signed_in.refresh_token,
            "refresh_expires_in": people.refresh_seconds,
            "must_set_password": signed_in.must_set_password,
            "person": signed_in.person._asdict(),
        }
    )
    response.headers["Cache-Control"] = "no-store"
    return response
