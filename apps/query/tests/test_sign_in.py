"""Signing in: passwords, refresh tokens, lock-out, and what ends a sign-in."""

import base64
import hmac
import itertools
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from known_password import PASSWORD, PASSWORD_HASH, make_slow
from sign_in_requests import actions, me, post, refusal
from signing_key import make_signing_key
from waiting import eventually

from event_tracker.query.auth.signing import Signer
from event_tracker.query.auth.staff import AUDIENCE


@pytest.fixture(scope="module")
def guarded(start_guarded):
    """A query service that requires credentials."""
    return start_guarded()


@pytest.fixture(autouse=True)
def ann(shared_owner):
    """Ann, an analyst."""
    shared_owner.execute("truncate people, sign_ins, failed_sign_ins, api_tokens, audit")
    add_person(shared_owner, "ann")


def add_person(owner, name, role="analyst", one_time=False):
    owner.execute(
        "insert into people (name, password_hash, role, one_time) values (%s, %s, %s, %s)",
        [name, PASSWORD_HASH, role, one_time],
    )


def sign_in(service, name="ann", password=PASSWORD):
    return post(service, "sign-in", name=name, password=password)


def test_a_person_signs_in_and_is_known(guarded, shared_owner):
    answer = sign_in(guarded)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    given = answer.json()
    assert (given["token_type"], given["expires_in"], given["must_set_password"]) == ("Bearer", 600, False)
    assert given["person"] == {"name": "ann", "role": "analyst", "sources": None}
    known = me(guarded, given["access_token"]).json()
    assert known == {
        "kind": "person",
        "name": "ann",
        "scopes": ["export", "read_events", "read_stats"],
        "sources": None,
        "by_provider": False,
    }
    assert actions(shared_owner) == ["sign_in"]


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong horse"), ("nobody", PASSWORD), ("ANN", PASSWORD)])
def test_what_is_wrong_is_refused_alike(guarded, name, password):
    answer = sign_in(guarded, name, password)
    assert refusal(answer) == (401, "wrong_password")
    assert answer.json()["detail"] == sign_in(guarded, "ann", "wrong").json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "ann"},
        {"name": "ann", "password": ""},
        {"name": "a\0", "password": "x"},
        {"name": 1, "password": "x"},
        {"name": "ann", "password": "x", "admin": True},
    ],
)
def test_what_is_no_sign_in_is_a_422(guarded, body):
    assert refusal(post(guarded, "sign-in", **body)) == (422, "invalid_parameters")


def assert_locks(service, owner, name, seconds):
    """A wrong password locks the name for so long, from some moment between question and answer."""
    ((before,),) = owner.execute("select now()").fetchall()
    assert sign_in(service, name, "wrong").status_code == 401
    ((after, locked_until),) = owner.execute("select now(), locked_until from failed_sign_ins").fetchall()
    assert before <= locked_until - timedelta(seconds=seconds) <= after


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_guessing_locks_the_name_whether_or_not_anybody_has_it(guarded, shared_owner, name):
    assert [sign_in(guarded, name, f"guess {number}").status_code for number in range(4)] == [401] * 4
    assert_locks(guarded, shared_owner, name, 1)
    # It is for a second, which may be over before the next guess.
    shared_owner.execute("update failed_sign_ins set locked_until = now() + interval '1 minute'")
    locked = sign_in(guarded, name, "guess 5")
    assert refusal(locked) == (429, "locked_out")
    assert int(locked.headers["Retry-After"]) >= 1
    assert sign_in(guarded, name).status_code == 429
    assert sign_in(guarded, "someone-else").status_code == 401


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_guessing_many_at_once_is_no_way_around_the_lock(guarded, shared_owner, name):
    make_slow(shared_owner)
    with ThreadPoolExecutor(40) as guessers:
        guesses = [guessers.submit(sign_in, guarded, name, f"guess {number}") for number in range(60)]
        answers = [guess.result() for guess in guesses]
    statuses = Counter(answer.status_code for answer in answers)
    # One that is checked at the same moment as the fifth may come through beside it, and a few when a lock of seconds is over.
    assert 5 <= statuses[401] <= 20, statuses
    assert statuses[401] + statuses[429] + statuses[503] == 60
    ((failures,),) = shared_owner.execute("select failures from failed_sign_ins").fetchall()
    assert statuses[401] <= failures <= statuses[401] + away(answers)


def away(answers):
    """How many found no connection in time: it may have happened once the wrong password was counted."""
    return sum(answer.status_code == 503 and answer.json()["code"] == "database_unavailable" for answer in answers)


def test_guessers_keep_nobody_from_reading_and_fill_no_audit_log(guarded, shared_owner):
    token = sign_in(guarded).json()["access_token"]
    failures = metric(guarded, "query_sign_in_failures_total")
    with ThreadPoolExecutor(60) as guessers:
        guesses = [guessers.submit(sign_in, guarded, f"name-{number}", "guess") for number in range(150)]
        while not all(guess.done() for guess in guesses):
            assert me(guarded, token).status_code == 200
            time.sleep(0.05)
        answers = [guess.result() for guess in guesses]
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {401, 503}, statuses
    counted = metric(guarded, "query_sign_in_failures_total") - failures
    assert statuses[401] <= counted <= statuses[401] + away(answers)
    written = actions(shared_owner).count("sign_in_failed")
    assert written <= 120  # it may be the turn of a minute
    assert written == min(statuses[401], written)


def metric(service, name):
    text = requests.get(f"{service.url}/metrics", timeout=30).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_each_further_wrong_password_locks_for_longer_up_to_a_quarter_of_an_hour(guarded, shared_owner):
    for failures, seconds in ((5, 1), (6, 2), (10, 32), (30, 900)):
        shared_owner.execute("delete from failed_sign_ins")
        shared_owner.execute("insert into failed_sign_ins values ('ann', %s, now())", [failures - 1])
        assert_locks(guarded, shared_owner, "ann", seconds)


@pytest.fixture(scope="module")
def unguessed(start_guarded):
    """An instance of its own: each writes 60 wrong passwords a minute into the audit log, and others' tests guess many."""
    return start_guarded()


@pytest.mark.parametrize("failures", [1_028, 1_029, 5_000, 2**31 - 1])
def test_however_many_wrong_passwords_there_were_the_next_one_locks_and_is_told(unguessed, shared_owner, failures):
    shared_owner.execute("insert into failed_sign_ins values ('ann', %s, now())", [failures])
    assert_locks(unguessed, shared_owner, "ann", 900)
    assert actions(shared_owner) == ["sign_in_failed"]
    assert refusal(sign_in(unguessed)) == (429, "locked_out")
    shared_owner.execute("update failed_sign_ins set locked_until = now()")
    assert sign_in(unguessed).status_code == 200


def test_the_right_password_forgets_the_wrong_ones(guarded, shared_owner):
    for _ in range(4):
        sign_in(guarded, "ann", "wrong")
    assert sign_in(guarded).status_code == 200
    assert shared_owner.execute("select count(*) from failed_sign_ins").fetchone() == (0,)


def test_a_refresh_token_goes_on_with_the_sign_in_and_changes(guarded):
    first = sign_in(guarded).json()["refresh_token"]
    second = post(guarded, "refresh", refresh_token=first).json()
    assert second["refresh_token"] != first
    assert me(guarded, second["access_token"]).status_code == 200
    assert post(guarded, "refresh", refresh_token=second["refresh_token"]).status_code == 200


def test_the_one_before_is_good_for_a_moment_since_an_answer_may_be_lost(guarded):
    first = sign_in(guarded).json()["refresh_token"]
    lost = post(guarded, "refresh", refresh_token=first).json()["refresh_token"]
    again = post(guarded, "refresh", refresh_token=first)
    assert again.status_code == 200
    assert lost == again.json()["refresh_token"]


def test_an_old_refresh_token_ends_the_sign_in_for_whoever_has_it(guarded, shared_owner):
    first = sign_in(guarded).json()["refresh_token"]
    second = post(guarded, "refresh", refresh_token=first).json()["refresh_token"]
    shared_owner.execute("update sign_ins set renewed_at = now() - interval '1 minute'")
    assert refusal(post(guarded, "refresh", refresh_token=first)) == (401, "invalid_refresh_token")
    assert refusal(post(guarded, "refresh", refresh_token=second)) == (401, "invalid_refresh_token")
    assert actions(shared_owner)[-1] == "refresh_token_reused"


@pytest.mark.parametrize("token", ["x", "rf_0123456789_" + "0" * 40])
def test_what_is_no_refresh_token_is_refused(guarded, token):
    assert refusal(post(guarded, "refresh", refresh_token=token)) == (401, "invalid_refresh_token")


def test_signing_out_ends_it(guarded):
    token = sign_in(guarded).json()["refresh_token"]
    assert post(guarded, "sign-out", refresh_token=token).status_code == 204
    assert post(guarded, "refresh", refresh_token=token).status_code == 401


def test_a_password_for_one_sign_in_is_gone_after_it(guarded, shared_owner):
    add_person(shared_owner, "root", "admin", one_time=True)
    given = sign_in(guarded, "root").json()
    assert given["must_set_password"] is True
    assert sign_in(guarded, "root").status_code == 401
    assert post(guarded, "password", given["access_token"], password="short").status_code == 422
    assert post(guarded, "password", given["access_token"], password="long enough now").status_code == 204
    assert sign_in(guarded, "root", "long enough now").status_code == 200
    assert post(guarded, "refresh", refresh_token=given["refresh_token"]).status_code == 401


def test_who_is_disabled_is_out_within_seconds(guarded, shared_owner):
    given = sign_in(guarded).json()
    assert me(guarded, given["access_token"]).status_code == 200
    shared_owner.execute("update people set enabled = false")
    assert eventually(lambda: me(guarded, given["access_token"]).status_code == 401, 20)
    assert post(guarded, "refresh", refresh_token=given["refresh_token"]).status_code == 401
    assert sign_in(guarded).status_code == 401


def test_an_access_token_ends_and_another_service_key_signs_none(guarded, start_guarded):
    short = start_guarded(ACCESS_MINUTES=1)
    token = sign_in(short).json()["access_token"]
    head, claims, signature = token.split(".")
    assert me(guarded, token).status_code == 200  # the same keys: any instance knows it
    assert me(guarded, f"{head}.{claims}.{signature[:-4]}AAAA").status_code == 401
    assert me(guarded, f"eyJhbGciOiJub25lIn0.{claims}.").status_code == 401


def test_the_public_keys_are_there_for_everyone(guarded):
    (key,) = requests.get(f"{guarded.url}/.well-known/jwks.json", timeout=30).json()["keys"]
    assert key["crv"] == "Ed25519"
    assert "d" not in key


def test_no_password_and_no_token_stands_in_the_log(guarded):
    given = sign_in(guarded).json()
    sign_in(guarded, "ann", "a secret that is wrong")
    post(guarded, "refresh", refresh_token=given["refresh_token"])
    log = guarded.log.read_text()
    for secret in (PASSWORD, "a secret that is wrong", given["access_token"], given["refresh_token"]):
        assert secret not in log


def forged(header, claims, signature=b""):
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_a_forged_access_token_is_none(guarded):
    token = sign_in(guarded).json()["access_token"]
    assert me(guarded, token).status_code == 200
    head, body, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    header, claims = json.loads(head), json.loads(body)
    (key,) = requests.get(f"{guarded.url}/.well-known/jwks.json", timeout=30).json()["keys"]
    unsigned = ".".join(forged({**header, "alg": "HS256"}, claims).split(".")[:2])
    by_public_key = hmac.digest(base64.urlsafe_b64decode(key["x"] + "=="), unsigned.encode(), "sha256")
    attempts = {
        "no signature": forged({**header, "alg": "none"}, claims),
        "signed by the public key": forged({**header, "alg": "HS256"}, claims, by_public_key),
        "somebody else": forged(header, {**claims, "sub": "ada"}, signature),
        "longer": forged(header, {**claims, "exp": claims["exp"] + 10**6}, signature),
        "for somebody else": forged(header, {**claims, "aud": "other"}, signature),
        "another key's name": forged({**header, "kid": "x"}, claims, signature),
        "a key of its own": forged({**header, "jwk": key, "alg": "none"}, claims),
    }
    assert {name: me(guarded, attempt).status_code for name, attempt in attempts.items()} == dict.fromkeys(
        attempts, 401
    )


def test_an_access_token_that_names_no_sign_in_is_none(start_guarded):
    """Nothing could end it before it expires."""
    pem = make_signing_key()
    service, signer = start_guarded(SIGNING_KEY=pem), Signer(pem)
    sid = sign_in(service).json()["refresh_token"].rpartition("_")[0]
    assert me(service, signer.issue("ann", AUDIENCE, 60, sid=sid)).status_code == 200
    for claims in ({}, {"sid": None}, {"sid": ""}, {"sid": [sid]}, {"sid": {"": sid}}, {"sid": True}):
        assert refusal(me(service, signer.issue("ann", AUDIENCE, 60, **claims))) == (401, "invalid_credentials")


VALUES = [None, True, 0, -1, 1.5, 10**400, "", "x", "alg", "Ed25519", "é", [], ["exp"], [[]], [5], {}, {"x": [1]}]
MEMBERS = [
    "alg",
    "typ",
    "kid",
    "crit",
    "b64",
    "jwk",
    "jku",
    "x5c",
    "x5u",
    "x5t",
    "x5t#S256",
    "cty",
    "enc",
    "zip",
    "epk",
    "p2c",
]


def odd_tokens(token):
    """Tokens of which one part isn't as it should be."""
    head, body, signature = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    odd = [*VALUES, {"alg": "Ed25519"}, {"alg": "Ed25519", "crit": 5}]
    odd += [{**header, member: value} for member, value in itertools.product(MEMBERS, VALUES)]
    odd += [{name: value for name, value in header.items() if name != left_out} for left_out in header]
    heads = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in odd if one != header]
    heads += ["", "=", "e30=", "!", "é", "eyJ", head + "=", head + "A", "_" * 4000]
    yield from (f"{one}.{body}.{signature}" for one in heads)
    for part in ("", "=", "e30", "!", "é", "W10", "IngiI", "A" * 5, "_" * 4000):
        yield f"{head}.{part}.{signature}"
        yield f"{head}.{body}.{part}"
    yield from (head, f"{head}.", f"{head}.{body}", f"{token}.", f"{token}.x", f".{token}", f"..{token}", "..", "....")


def test_odd_access_tokens_are_none_and_no_faults(guarded):
    """Header, claims and signature in every type that JSON has."""
    token = sign_in(guarded).json()["access_token"]
    read_so_far = len(guarded.log.read_text())
    with requests.Session() as session:
        for odd in odd_tokens(token):
            header = {"Authorization": f"Bearer {odd}".encode()}
            answer = session.get(f"{guarded.url}/auth/me", headers=header, timeout=30)
            assert answer.status_code == 401, odd
    assert me(guarded, token).status_code == 200
    log = guarded.log.read_text()[read_so_far:]
    assert "Traceback" not in log
    assert '"level": "error"' not in log
