"""Signing in, in OpenAPI."""

from typing import Any

from marshmallow import Schema, fields

from event_tracker.core.http.openapi import Document
from event_tracker.query.auth.principal import ROLES, SCOPES
from event_tracker.query.auth.routes import OidcSchema, PasswordSchema, RefreshSchema, SignInSchema

JSON = "application/json"


class PersonSchema(Schema):
    """Who has signed in."""

    name = fields.String(required=True)
    role = fields.String(required=True, metadata={"enum": sorted(ROLES)})
    sources = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"description": "Whose events; null is all."}
    )


class SignedInSchema(Schema):
    """Tokens of a person who has signed in."""

    access_token = fields.String(required=True, metadata={"description": "Sent as `Authorization: Bearer`."})
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds for which the access token counts."})
    refresh_token = fields.String(required=True, metadata={"description": "For POST /auth/refresh, once."})
    refresh_expires_in = fields.Integer(
        required=True, metadata={"description": "Seconds for which the refresh token counts if it isn't used."}
    )
    must_set_password = fields.Boolean(
        required=True,
        metadata={
            "description": "The password was for one sign-in: all that is allowed is POST /auth/password, to set another."
        },
    )
    person = fields.Nested(PersonSchema, required=True)


class WhoSchema(Schema):
    """Who asks."""

    kind = fields.String(required=True, metadata={"enum": ["token", "person", "anyone"]})
    name = fields.String(required=True)
    scopes = fields.List(fields.String(metadata={"enum": list(SCOPES)}), required=True)
    sources = fields.List(fields.String(), required=True, allow_none=True)
    by_provider = fields.Boolean(
        required=True, metadata={"description": "A person who signs in by a provider, and has no password here."}
    )


class MethodsSchema(Schema):
    """How people get in."""

    required = fields.Boolean(required=True, metadata={"description": "Nobody is answered without credentials."})
    password = fields.Boolean(required=True, metadata={"description": "People sign in by POST /auth/sign-in."})
    oidc = fields.Boolean(required=True, metadata={"description": "People sign in by a provider, GET /auth/oidc."})


class StartSchema(Schema):
    """A sign-in by the provider, begun."""

    authorization_url = fields.String(required=True, metadata={"description": "Where the browser is sent."})
    transaction = fields.String(
        required=True, metadata={"description": "Kept for this browser, where no other and no script gets at it."}
    )
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds for which the transaction counts."})
    redirect_uri = fields.String(required=True, metadata={"description": "Where the provider sends the browser."})


def describe_auth(document: Document) -> None:
    """Add the operations to the document."""
    for schema in (
        SignInSchema,
        RefreshSchema,
        PasswordSchema,
        SignedInSchema,
        WhoSchema,
        MethodsSchema,
        OidcSchema,
        StartSchema,
    ):
        document.component(schema.__name__.removesuffix("Schema"), schema)
    bad = {
        400: "Not JSON.",
        404: "Nobody signs in here: CONTROL_DATABASE_URL isn't set.",
        401: "Wrong, expired or revoked credentials.",
        413: "A body that is too large.",
        415: "Not application/json.",
        422: "A member is missing or wrong.",
        429: "Too many wrong passwords for this name; Retry-After says how long.",
        503: "The database is away.",
    }
    signed_in = {"200": _json("Signed in.", "SignedIn")}
    done: dict[str, Any] = {"204": {"description": "Done."}}
    _post(document, "sign-in", "sign_in", "Sign in with name and password.", "SignIn", signed_in, bad)
    _post(
        document,
        "refresh",
        "refresh",
        "Go on with a sign-in: new tokens for a refresh token.",
        "Refresh",
        signed_in,
        bad,
    )
    _post(document, "sign-out", "sign_out", "End a sign-in.", "Refresh", done, bad)
    forbidden = {
        **bad,
        403: "Not a person who has signed in; the current password is wrong; or one for one sign-in has expired.",
    }
    summary = "Set one's password; all sign-ins end, with their access tokens."
    _post(document, "password", "set_password", summary, "Password", done, forbidden)
    by_provider = {
        **bad,
        403: "No role, no name, or disabled.",
        404: "OIDC_ISSUER isn't set.",
        503: "The provider is away.",
    }
    del by_provider[429]
    _post(document, "oidc", "finish_oidc", "Finish a sign-in by the provider.", "Oidc", signed_in, by_provider)
    start = {
        "operationId": "begin_oidc",
        "tags": ["access"],
        "summary": "Begin a sign-in by the provider.",
        "responses": {},
    }
    start["responses"] = {"200": _json("Begun.", "Start")}
    document.path("/auth/oidc", "get", start, {404: by_provider[404], 503: by_provider[503]})
    who = {"operationId": "who_am_i", "tags": ["access"], "summary": "Who asks, and what they may.", "responses": {}}
    who["responses"] = {"200": _json("Who asks.", "Who")}
    document.path("/auth/me", "get", who, {401: bad[401], 403: "Not enough."})
    methods = {"operationId": "ways_in", "tags": ["access"], "summary": "How people get in.", "responses": {}}
    methods["responses"] = {"200": _json("How people get in.", "Methods")}
    document.path("/auth/methods", "get", methods)
    keys: dict[str, Any] = {
        "200": {"description": "A JSON Web Key Set.", "content": {JSON: {"schema": {"type": "object"}}}}
    }
    jwks = {
        "operationId": "keys",
        "tags": ["access"],
        "summary": "Public keys of what is signed here.",
        "responses": keys,
    }
    document.path("/.well-known/jwks.json", "get", jwks)


def _post(
    document: Document,
    path: str,
    name: str,
    summary: str,
    body: str,
    responses: dict[str, Any],
    problems: dict[int, str],
) -> None:
    operation = {
        "operationId": name,
        "tags": ["access"],
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{body}"}}}},
        "responses": dict(responses),
    }
    document.path(f"/auth/{path}", "post", operation, problems)


def _json(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
