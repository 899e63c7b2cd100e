"""API tokens under /admin/tokens: what programs read with."""

from flask import Blueprint, Response, request
from marshmallow import RAISE, Schema, fields, validate

from core.keys import PREFIX, make_key
from core.service import json_response
from query.access.principal import SCOPES, principal_of
from query.access.tokens import KIND
from query.admin.management import Management, Transaction, missing
from query.admin.sources import allowed, shown_once
from query.admin.whose import check_sources, whose
from query.bodies import read_json, take_body
from query.fields import AtMost, Length, OneOf, Whole

MOST_DAYS = 3650


class TokenBody(Schema):
    """Body of POST /admin/tokens."""

    class Meta:
        unknown = RAISE

    name = fields.String(
        required=True, validate=Length(1, 100), metadata={"description": "What it is for, for people to read."}
    )
    scopes = fields.List(
        fields.String(validate=OneOf(SCOPES)),
        required=True,
        validate=[validate.Length(min=1), AtMost(max=len(SCOPES))],
        metadata={"description": "What it may do."},
    )
    sources = whose("Whose events it may read; null is all.", required=True)
    days = Whole(
        MOST_DAYS, load_default=None, allow_none=True, metadata={"description": "Days until it expires; null is never."}
    )


def manage_tokens(management: Management) -> Blueprint:
    """The views under /admin/tokens. Who is restricted to some sources sees and makes tokens for these only."""
    views = Blueprint("tokens", __name__)

    @views.get("/admin/tokens")
    def list_tokens() -> Response:
        return json_response({"items": management.ask("list_tokens", allowed=allowed(principal_of(request.environ)))})

    @views.post("/admin/tokens")
    def make_token() -> Response:
        given = read_json(TokenBody(), take_body())
        new = make_key(KIND)

        def add(transaction: Transaction) -> None:
            given["sources"] = check_sources(transaction, given["sources"])
            transaction.ask("add_token", prefix=new.prefix, hash=new.hash, **given)
            transaction.record("token_created", new.prefix, **given)

        management.change(principal_of(request.environ), add)
        return shown_once({"prefix": new.prefix, **given, "token": new.key})

    @views.delete("/admin/tokens/<prefix>")
    def revoke_token(prefix: str) -> Response:
        management.change(principal_of(request.environ), lambda transaction: _revoke(transaction, prefix))
        return Response(status=204)

    return views


def _revoke(transaction: Transaction, prefix: str) -> None:
    known = PREFIX.fullmatch(prefix)
    revoked = known and transaction.ask("revoke_token", prefix=prefix, allowed=allowed(transaction.principal))
    if not revoked:
        raise missing()
    transaction.record("token_revoked", prefix, name=revoked[0]["name"])
