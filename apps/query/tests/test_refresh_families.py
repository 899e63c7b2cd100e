"""Refresh tokens: each is replaced by the next one. If an older one is used again, it was stolen, and the sign-in ends."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from known_password import PASSWORD, PASSWORD_HASH
from lock_waits import waiting_for_locks
from sign_in_requests import post
from waiting import wait_until

from event_tracker.core.secrets.keys import hash_key


@pytest.fixture(autouse=True)
def ann(shared_owner):
    """Ann, an analyst."""
    shared_owner.execute("truncate people, sign_ins, failed_sign_ins, api_tokens, audit")
    shared_owner.execute(
        "insert into people (name, password_hash, role) values ('ann', %s, 'analyst')", [PASSWORD_HASH]
    )


@pytest.fixture
def first(guarded):
    """The refresh token of a sign-in that has just begun."""
    return post(guarded, "sign-in", name="ann", password=PASSWORD).json()["refresh_token"]


def refresh(service, token):
    """The status, and the next token if there is one."""
    answer = post(service, "refresh", refresh_token=token)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code, answer.json().get("refresh_token")


def renew(service, token, times):
    """All tokens from this one on."""
    tokens = [token]
    for _ in range(times):
        status, following = refresh(service, tokens[-1])
        assert status == 200
        tokens.append(following)
    assert len(set(tokens)) == times + 1
    return tokens


def let_pass(owner, seconds):
    """As if the newest token had been made so much earlier."""
    owner.execute("update sign_ins set renewed_at = renewed_at - make_interval(secs => %s)", [seconds])


def reuses(owner):
    return owner.execute("select actor, target from audit where action = 'refresh_token_reused'").fetchall()


@pytest.mark.parametrize("times", [2, 3, 20])
def test_any_token_before_the_last_but_one_ends_the_sign_in(guarded, shared_owner, first, times):
    """A thief who has renewed a stolen token twice is noticed as well."""
    tokens = renew(guarded, first, times)
    assert refresh(guarded, first)[0] == 401
    assert refresh(guarded, tokens[-1])[0] == 401
    assert reuses(shared_owner) == [("ann", "ann")]


def test_the_grace_begins_at_the_first_use_and_is_not_renewed(guarded, shared_owner, first):
    (_, newest) = renew(guarded, first, 1)
    let_pass(shared_owner, 6)
    assert refresh(guarded, first) == (200, newest)
    let_pass(shared_owner, 6)
    assert refresh(guarded, first)[0] == 401
    assert refresh(guarded, newest)[0] == 401
    assert reuses(shared_owner) == [("ann", "ann")]


def test_a_lost_answer_is_given_again_and_the_sign_in_goes_on(guarded, shared_owner, first):
    (_, newest) = renew(guarded, first, 1)
    assert [refresh(guarded, first) for _ in range(3)] == [(200, newest)] * 3
    renew(guarded, newest, 2)
    assert reuses(shared_owner) == []


def test_renewals_at_the_same_instant_with_the_same_token_are_no_theft(guarded, shared_owner, first):
    """All three have read the row before the first of them changes it."""
    with ThreadPoolExecutor(3) as tabs:
        with shared_owner.transaction():
            shared_owner.execute("select from sign_ins for update")
            answers = [tabs.submit(refresh, guarded, first) for _ in range(3)]
            wait_until(lambda: waiting_for_locks(shared_owner) == 3, "three wait for the row")
        given = [answer.result() for answer in answers]
    assert given == [given[0]] * 3
    assert given[0][0] == 200
    renew(guarded, given[0][1], 2)
    assert reuses(shared_owner) == []


@pytest.mark.parametrize("age", [0, 1, 2, 5])
def test_signing_out_with_any_token_ends_the_sign_in(guarded, shared_owner, first, age):
    tokens = renew(guarded, first, 5)
    assert post(guarded, "sign-out", refresh_token=tokens[-1 - age]).status_code == 204
    assert refresh(guarded, tokens[-1])[0] == 401
    assert shared_owner.execute("select from sign_ins").fetchall() == []
    assert len(reuses(shared_owner)) == (age > 1)


def test_a_token_that_never_was_ends_nothing(guarded, shared_owner, first):
    """A prefix is no secret: whoever knows it may not sign somebody out."""
    tokens = renew(guarded, first, 3)
    prefix = first.rpartition("_")[0]
    for forged in (
        f"{prefix}_{'0' * 40}",
        f"{prefix}_{secrets.token_hex(20)}",
        f"{prefix}_{secrets.token_hex(6)}{first[-28:]}",
    ):
        assert refresh(guarded, forged)[0] == 401
        assert post(guarded, "sign-out", refresh_token=forged).status_code == 204
    assert reuses(shared_owner) == []
    renew(guarded, tokens[-1], 1)


def test_no_token_follows_from_the_one_before_or_from_what_is_stored(guarded, shared_owner, first):
    tokens = renew(guarded, first, 2)
    parts = {token.rpartition("_")[2][12:] for token in tokens}
    assert len(parts) == 3
    (stored,) = shared_owner.execute("select row_to_json(s)::text from sign_ins s").fetchone()
    assert not any(part in stored for part in parts)


def of_the_release_before(owner):
    """What it writes: nothing of families."""
    owner.execute("update sign_ins set family_hash = null, renewal_salt = null")


def test_a_sign_in_of_the_release_before_goes_on_and_is_then_watched_alike(guarded, shared_owner, first):
    of_the_release_before(shared_owner)
    tokens = renew(guarded, first, 2)
    assert refresh(guarded, first)[0] == 401
    assert refresh(guarded, tokens[-1])[0] == 401
    assert reuses(shared_owner) == [("ann", "ann")]


def test_an_instance_of_the_release_before_may_renew_in_between(guarded, shared_owner, first):
    (_, second) = renew(guarded, first, 1)
    theirs = f"{first.rpartition('_')[0]}_{secrets.token_hex(20)}"
    shared_owner.execute(
        "update sign_ins set hash = %s, previous_hash = %s, renewed_at = now()", [hash_key(theirs), hash_key(second)]
    )
    assert refresh(guarded, second)[0] == 401  # what was answered isn't known here
    renew(guarded, theirs, 2)
    assert refresh(guarded, theirs)[0] == 401
    assert reuses(shared_owner) == [("ann", "ann")]
