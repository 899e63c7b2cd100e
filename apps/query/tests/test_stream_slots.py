"""Slots for exports and live streams: one token or person can't take all of them."""

from contextlib import ExitStack

import pytest
import requests
from sign_in_requests import post
from waiting import wait_until

from event_tracker.core.secrets.keys import make_key
from event_tracker.core.secrets.passwords import hash_password

SLOTS = 4
HALF = 2


@pytest.fixture(scope="module")
def service(start_guarded):
    return start_guarded(EXPORTS=SLOTS, LIVE_CLIENTS=SLOTS)


@pytest.fixture
def keep_open(shared_owner):
    """keep_open(client, path): its answer as it begins; of an export, more is to come than sockets hold. Compressed, it would be less."""
    shared_owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, properties)"
        " select 'u', timestamptz '2026-03-01' + n * interval '1 s', gen_random_uuid(), 'x',"
        " jsonb_build_object('text', repeat('x', 10000)) from generate_series(1, 3000) n"
    )
    plain = {"Accept-Encoding": "identity"}
    with ExitStack() as opened:
        yield lambda client, url: opened.enter_context(client.get(url, stream=True, timeout=60, headers=plain))


@pytest.mark.parametrize("path", ["/events/live", "/events/export"])
def test_one_token_has_half_of_the_slots_and_another_finds_one(service, who_sees, keep_open, path):
    greedy, modest, late = who_sees("default"), who_sees("default"), who_sees("default")
    url = f"{service.url}{path}"
    held = [keep_open(greedy, url) for _ in range(HALF)]
    assert [answer.status_code for answer in held] == [200] * HALF
    refused = keep_open(greedy, url)
    assert refused.status_code == 429
    assert refused.json()["code"] == "too_many_open"
    assert refused.headers["Retry-After"]
    assert [keep_open(modest, url).status_code for _ in range(HALF)] == [200] * HALF
    full = keep_open(late, url)
    assert full.status_code == 503
    assert full.json()["code"] == "busy"
    held[0].close()

    def is_taken_again():
        answer = keep_open(greedy, url)
        return answer.status_code == 200

    wait_until(is_taken_again, "whose stream has ended may have another")


@pytest.fixture
def let_in(service, shared_owner):
    """let_in(["shop"]): an admin of these sources, by a token; they make tokens that may read."""

    def let_in(sources):
        key = make_key("rt")
        scopes = ["admin", "export", "read_events"]
        insert = "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, 'x', %s, %s, %s)"
        shared_owner.execute(insert, [key.prefix, key.hash, scopes, sources])
        return key.key

    return let_in


def hand_out(service, token, sources, scopes=("export", "read_events")):
    body = {"name": "x", "scopes": list(scopes), "sources": sources}
    made = requests.post(f"{service.url}/admin/tokens", json=body, headers=bearer(token), timeout=30)
    assert made.status_code == 201, made.text
    return made.json()["token"]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def shown(token):
    session = requests.Session()
    session.headers.update(bearer(token))
    return session


@pytest.mark.parametrize("path", ["/events/live", "/events/export"])
def test_an_admin_of_some_sources_has_no_more_by_making_tokens(service, keep_open, let_in, path):
    sam = let_in(["default"])
    first = hand_out(service, sam, ["default"], scopes=("admin", "export", "read_events"))
    line = [sam, first, hand_out(service, first, ["default"]), hand_out(service, sam, ["default"])]
    url = f"{service.url}{path}"
    held = [keep_open(shown(token), url) for token in line[:HALF]]
    assert [answer.status_code for answer in held] == [200] * HALF
    for token in line:
        refused = keep_open(shown(token), url)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_open")
    assert keep_open(shown(let_in(["default"])), url).status_code == 200


def test_who_may_see_every_source_gives_each_program_a_share_of_its_own(service, keep_open, let_in):
    ada = let_in(None)
    greedy, modest = hand_out(service, ada, ["default"]), hand_out(service, ada, ["default"])
    url = f"{service.url}/events/live"
    held = [keep_open(shown(greedy), url) for _ in range(HALF)]
    assert [answer.status_code for answer in held] == [200] * HALF
    assert keep_open(shown(greedy), url).status_code == 429
    assert keep_open(shown(modest), url).status_code == 200


def test_a_person_shares_with_the_tokens_that_they_handed_out(service, keep_open, shared_owner):
    given = ["sue", hash_password("correct horse battery"), ["default"]]
    shared_owner.execute("insert into people (name, password_hash, role, sources) values (%s, %s, 'admin', %s)", given)
    signed_in = post(service, "sign-in", name="sue", password="correct horse battery").json()["access_token"]
    token = hand_out(service, signed_in, ["default"])
    url = f"{service.url}/events/live"
    assert [keep_open(shown(one), url).status_code for one in (signed_in, token)] == [200] * HALF
    assert [keep_open(shown(one), url).status_code for one in (signed_in, token)] == [429] * HALF


def test_where_nobody_says_who_they_are_they_may_have_all(start_guarded, keep_open):
    service = start_guarded(EXPORTS=SLOTS, LIVE_CLIENTS=SLOTS, AUTH="open")
    answers = [keep_open(requests, f"{service.url}/events/live") for _ in range(SLOTS)]
    assert [answer.status_code for answer in answers] == [200] * SLOTS
