"""Routes under /admin/tokens: the API tokens of programs."""

from marshmallow import fields, validate

from event_tracker.core.http.errors import Problem
from event_tracker.core.secrets.keys import PREFIX, NewKey, make_key
from event_tracker.query.admin.access.source_restriction import check_sources, source_restriction
from event_tracker.query.admin.access.token_makers import check_token_quota, maker_columns, record_token_changes
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.sources.sources import MAX_ENDED, allowed_sources
from event_tracker.query.auth.calls import Call
from event_tracker.query.auth.principal import SCOPES
from event_tracker.query.auth.tokens import KIND
from event_tracker.query.parameter_types import AtMost, Length, OneOf, WholeNumber
from event_tracker.query.request_body import BodySchema

MAX_DAYS = 3650


class TokenSettings(BodySchema):
    """Body of POST /admin/tokens."""

    name = fields.String(
        required=True, validate=Length(1, 100), metadata={"description": "What it is for, for people to read."}
    )
    scopes = fields.List(
        fields.String(validate=OneOf(SCOPES)),
        required=True,
        validate=[validate.Length(min=1), AtMost(max=len(SCOPES))],
        metadata={"description": "What it may do."},
    )
    sources = source_restriction("Whose events it may read; null is all.", required=True)
    days = WholeNumber(
        MAX_DAYS,
        load_default=None,
        allow_none=True,
        metadata={"description": "Days until it expires; null is never. Never later than the token that makes it."},
    )


def list_tokens(management: Management, call: Call) -> Row:
    """A principal that is restricted to some sources sees and makes tokens for these only."""
    return {"items": management.execute("list_tokens", allowed=allowed_sources(call.principal), ended=MAX_ENDED)}


def make_token(management: Management, call: Call) -> Row:
    given = call.body()
    new = make_key(KIND)
    made, _ = management.change(call.principal, lambda transaction: _add(transaction, new, given))
    return {"prefix": new.prefix, **made, "token": new.key}


def revoke_token(management: Management, call: Call, prefix: str) -> None:
    management.change(call.principal, lambda transaction: _revoke(transaction, prefix))


def _add(transaction: Transaction, new: NewKey, given: Row) -> Row:
    """Make a token. Returns its members.

    Raises:
        Problem: 403 if the principal may not make such a token; 409 if they have too many.
    """
    members = {**given, "sources": check_sources(transaction, given["sources"])}
    check_token_quota(transaction)
    (made,) = transaction.execute(
        "add_token", prefix=new.prefix, hash=new.hash, **members, **maker_columns(transaction.principal)
    )
    if not transaction.execute("token_counts", prefix=new.prefix)[0]["counts"]:
        raise Problem(
            403, "may_not_hand_out", "Your own right to make such a token has ended, or was handed on too often."
        )
    expires_at = made["expires_at"]
    transaction.record("token_created", new.prefix, **members, expires_at=expires_at and expires_at.isoformat())
    return {**members, "expires_at": expires_at}


def _revoke(transaction: Transaction, prefix: str) -> None:
    if not PREFIX.fullmatch(prefix):
        raise not_found()
    with record_token_changes(transaction, except_for=prefix):
        revoked = transaction.execute("revoke_token", prefix=prefix, allowed=allowed_sources(transaction.principal))
        if not revoked:
            raise not_found()
        transaction.record("token_revoked", prefix, name=revoked[0]["name"])
