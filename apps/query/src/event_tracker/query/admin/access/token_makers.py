"""The makers of API tokens. A token is valid as long as its maker may make such a token. Makers have a quota."""

from collections.abc import Iterator
from contextlib import contextmanager

from event_tracker.core.http.errors import Problem
from event_tracker.query.admin.management import Row, Transaction
from event_tracker.query.auth.principal import Principal, quota_holder_of

MAX_RECORDED = 1_000
"""Tokens that are compared. The limit ensures that an admin with very many tokens can still be demoted."""


MAX_TOKENS = 1_000
"""Tokens that a maker may have that are neither revoked nor expired. A restricted maker shares this quota with the tokens that it
made (`quota_holder_of`)."""


def check_token_quota(transaction: Transaction) -> None:
    """Check that the principal may make one more token. Concurrent requests may exceed the quota by a few.

    Raises:
        Problem: 409.
    """
    kind, name = quota_holder_of(transaction.principal)
    maker = {"person": name if kind == "person" else None, "token": name if kind == "token" else None}
    whole_line = transaction.principal.sources is not None
    if (
        transaction.execute("count_handed_out", **maker, whole_line=whole_line, most=MAX_TOKENS)[0]["tokens"]
        >= MAX_TOKENS
    ):
        detail = f"{MAX_TOKENS} tokens that you handed out, or those whom you gave that right, still count. Revoke some first."
        raise Problem(409, "too_many_tokens", detail)


def maker_columns(principal: Principal) -> Row:
    """The columns of a token that name its maker."""
    return {
        "made_by_person": principal.name if principal.kind == "person" else None,
        "made_by_token": principal.name if principal.kind == "token" else None,
        "sign_in": principal.sign_in,
    }


@contextmanager
def record_token_changes(transaction: Transaction, *, except_for: str | None = None) -> Iterator[None]:
    """Write into the audit log which tokens the block makes invalid, or valid again. At most MAX_RECORDED are compared.

    Args:
        except_for: the prefix of a token that is audited separately.
    """
    prefixes = [row["prefix"] for row in transaction.execute("list_handed_out_tokens", most=MAX_RECORDED)]
    before = _list_counting(transaction, prefixes)
    yield
    after = _list_counting(transaction, prefixes)
    for prefix in sorted(before - after - {except_for}):
        transaction.record("token_stopped", prefix)
    for prefix in sorted(after - before):
        transaction.record("token_resumed", prefix)


def _list_counting(transaction: Transaction, prefixes: list[str]) -> set[str]:
    return {row["prefix"] for row in transaction.execute("list_counting_tokens", prefixes=prefixes)}
