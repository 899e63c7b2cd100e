"""Who made an API token: it counts as long as they may hand out such a one; and how many they may."""

from collections.abc import Iterator
from contextlib import contextmanager

from event_tracker.core.http.errors import Problem
from event_tracker.query.admin.management import Row, Transaction
from event_tracker.query.auth.principal import Principal, quota_holder_of

MOST_RECORDED = 1_000
"""Tokens that are looked at: whoever hands out a great many must not become an admin whom nobody can demote."""


MOST_TOKENS = 1_000
"""Tokens that one may have handed out which are neither revoked nor expired; who is restricted to some sources has them together
with the tokens that share theirs (`quota_holder_of`)."""


def check_token_quota(transaction: Transaction) -> None:
    """Return if the principal may hand out one token more. Two at the same moment may both be one too many.

    Raises:
        Problem: 409.
    """
    kind, name = quota_holder_of(transaction.principal)
    maker = {"person": name if kind == "person" else None, "token": name if kind == "token" else None}
    whole_line = transaction.principal.sources is not None
    if (
        transaction.ask("count_handed_out", **maker, whole_line=whole_line, most=MOST_TOKENS)[0]["tokens"]
        >= MOST_TOKENS
    ):
        detail = f"{MOST_TOKENS} tokens that you handed out, or those whom you gave that right, still count. Revoke some first."
        raise Problem(409, "too_many_tokens", detail)


def maker_columns(principal: Principal) -> Row:
    """What is stored of who makes a token."""
    return {
        "made_by_person": principal.name if principal.kind == "person" else None,
        "made_by_token": principal.name if principal.kind == "token" else None,
        "sign_in": principal.sign_in,
    }


@contextmanager
def record_token_changes(transaction: Transaction, *, except_for: str | None = None) -> Iterator[None]:
    """Note in the audit log which tokens stop or begin to count by what is done meanwhile, of `MOST_RECORDED` that there are.

    Args:
        but: the prefix of a token that is noted anyway.
    """
    prefixes = [row["prefix"] for row in transaction.ask("list_handed_out_tokens", most=MOST_RECORDED)]
    before = _list_counting(transaction, prefixes)
    yield
    after = _list_counting(transaction, prefixes)
    for prefix in sorted(before - after - {except_for}):
        transaction.record("token_stopped", prefix)
    for prefix in sorted(after - before):
        transaction.record("token_resumed", prefix)


def _list_counting(transaction: Transaction, prefixes: list[str]) -> set[str]:
    return {row["prefix"] for row in transaction.ask("list_counting_tokens", prefixes=prefixes)}
