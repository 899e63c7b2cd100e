"""Rate limits: how much of a key's events is let in, over all collectors together."""

import time

import pytest
import requests
from waiting import eventually

from core.keys import make_key

RATE = 5
BURST = RATE * 10


@pytest.fixture
def key(owner):
    """A key of a source that may send five events a second."""
    new = make_key("wk")
    owner.execute("insert into sources (name, rate_limit) values ('shop', %s)", [RATE])
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, 'shop', %s)", [new.prefix, new.hash])
    return new.key


def post(collector, key, number=1, parameters=""):
    events = [{"user_id": "ann", "event_type": "view"}] * number
    return requests.post(f"{collector.url}/events{parameters}", json=events, headers={"X-Write-Key": key}, timeout=30)


def stored(owner):
    return owner.execute("select count(*) from events").fetchone()[0]


def test_what_is_more_is_refused_and_says_when_to_come_again(collector, owner, key):
    first = post(collector, key, BURST + 60 * RATE)
    assert first.status_code == 200
    assert first.headers["RateLimit-Policy"] == f'"events";q={BURST};w=10'
    assert first.headers["RateLimit"] == '"events";r=0;t=70'
    before = stored(owner)
    refused = post(collector, key)
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert stored(owner) == before
    # As if so much time had passed.
    owner.execute("update rate_limits set used_up_to = used_up_to - make_interval(secs => %s)", [wait])
    assert post(collector, key).status_code == 200


def test_several_collectors_share_one_limit(start_service, postgres, database, owner, key):
    pair = [start_service("collector", DATABASE_URL=postgres.url(database, "collector")) for _ in range(2)]
    began = time.monotonic()
    answers = [post(pair[number % 2], key).status_code for number in range(3 * BURST)]
    took = time.monotonic() - began
    let_in = answers.count(200)
    assert answers.count(429) == len(answers) - let_in
    assert let_in == stored(owner)
    assert BURST <= let_in <= BURST + RATE * took + 2


def test_each_key_has_a_limit_of_its_own(collector, owner, key):
    other = make_key("wk")
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, 'shop', %s)", [other.prefix, other.hash])
    assert post(collector, key, 2 * BURST).status_code == 200
    assert post(collector, key).status_code == 429
    assert post(collector, other.key).status_code == 200


def test_a_dry_run_and_a_source_without_a_limit_are_not_counted(collector, owner, key):
    for _ in range(3):
        answer = post(collector, key, BURST, "?dry_run=true")
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers
    assert owner.execute("select count(*) from rate_limits").fetchone() == (0,)
    owner.execute("update sources set rate_limit = null")
    assert eventually(lambda: "RateLimit" not in post(collector, key).headers)
    assert [post(collector, key, BURST).status_code for _ in range(3)] == [200, 200, 200]
