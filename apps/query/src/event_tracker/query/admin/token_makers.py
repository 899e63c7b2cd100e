"""Who made an API token: it counts as long as they may hand out such a one; and how many they may."""

from collections.abc import Iterator
from contextlib import contextmanager

from event_tracker.core.http.errors import Problem
from event_tracker.query.admin.management import Row, Transaction
from event_tracker.query.auth.principal import Principal, root_of

MOST_RECORDED = 1_000
"""Tokens that are looked at: whoever hands out a great many must not become an admin whom nobody can demote."""


MOST_LIVING = 1_000
"""Tokens that one may have handed out which are neither revoked nor expired; who is restricted to some sources has them together
with the tokens that share theirs (`root_of`)."""


def require_room(transaction: Transaction) -> None:
    """Return if the principal may hand out one token more. Two at the same moment may both be one too many.

    Raises:
        Problem: 409.
    """
    kind, name = root_of(transaction.principal)
    whose = {"person": name if kind == "person" else None, "token": name if kind == "token" else None}
    whole_line = transaction.principal.sources is not None
    if (
        transaction.ask("count_handed_out", **whose, whole_line=whole_line, most=MOST_LIVING)[0]["tokens"]
        >= MOST_LIVING
    ):
        detail = f"{MOST_LIVING} tokens that you handed out, or those whom you gave that right, still count. Revoke some first."
        raise Problem(409, "too_many_tokens", detail)


def maker(principal: Principal) -> Row:
    """What is stored of who makes a token."""
    return {
        "made_by_person": principal.name if principal.kind == "person" else None,
        "made_by_token": principal.name if principal.kind == "token" else None,
        "sign_in": principal.sign_in,
    }


@contextmanager
def recording_tokens(transaction: Transaction, *, but: str | None = None) -> Iterator[None]:
    """Note in the audit log which tokens stop or begin to count by what is done meanwhile, of `MOST_RECORDED` that there are.

    Args:
        but: the prefix of a token that is noted anyway.
    """
    prefixes = [row["prefix"] for row in transaction.ask("list_handed_out_tokens", most=MOST_RECORDED)]
    before = _counting(transaction, prefixes)
    yield
    after = _counting(transaction, prefixes)
    for prefix in sorted(before - after - {but}):
        transaction.record("token_stopped", prefix)
    for prefix in sorted(after - before):
        transaction.record("token_resumed", prefix)


def _counting(transaction: Transaction, prefixes: list[str]) -> set[str]:
    return {row["prefix"] for row in transaction.ask("list_counting_tokens", prefixes=prefixes)}
