"""Rate limits: how many events of a key are admitted by all collectors together."""

import gzip
import json
import math
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from waiting import eventually

from event_tracker.core.secrets.keys import make_key

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


def assert_charged(answer, number):
    """A full bucket was charged for as many events. What came back while the answer was made is allowed for."""
    policy, remaining, seconds = answer.headers["RateLimit"].split(";")
    back = RATE * answer.elapsed.total_seconds()
    assert policy == '"events"'
    assert max(BURST - number, 0) <= int(remaining.removeprefix("r=")) <= max(BURST - number + back, 0)
    most = math.ceil(number / RATE)
    assert most - math.ceil(back / RATE) <= int(seconds.removeprefix("t=")) <= most


def stored(owner):
    return owner.execute("select count(*) from events").fetchone()[0]


def test_what_is_more_is_refused_and_says_when_to_come_again(collector, owner, key):
    first = post(collector, key, BURST + 60 * RATE)
    assert first.status_code == 200
    assert first.headers["RateLimit-Policy"] == f'"events";q={BURST};w=10'
    assert_charged(first, BURST + 60 * RATE)
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


def test_a_dry_run_counts_as_well(collector, owner, key):
    first = post(collector, key, BURST + 60 * RATE, "?dry_run=true")
    assert first.status_code == 200
    assert_charged(first, BURST + 60 * RATE)
    assert post(collector, key, 1, "?dry_run=true").status_code == 429
    assert post(collector, key).status_code == 429
    assert stored(owner) == 0


def test_a_source_without_a_limit_is_not_counted(collector, owner, key):
    owner.execute("update sources set rate_limit = null")
    assert eventually(lambda: "RateLimit" not in post(collector, key).headers)
    owner.execute("delete from rate_limits")
    assert [post(collector, key, BURST).status_code for _ in range(3)] == [200, 200, 200]
    assert owner.execute("select count(*) from rate_limits").fetchone() == (0,)


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b"{}", b"[1,", b"[NaN]"])
def test_a_request_without_an_event_counts_as_one(collector, key, body):
    headers = {"X-Write-Key": key, "Content-Type": "text/plain"}
    answers = [
        requests.post(f"{collector.url}/events", data=body, headers=headers, timeout=30).status_code
        for _ in range(4 * BURST)
    ]
    assert set(answers) - {200} <= {400, 422, 429}
    assert 429 in answers


def test_the_bytes_of_events_count_also_where_they_are_too_large(collector, key):
    """80 events' worth."""
    headers = {"X-Write-Key": key, "Content-Type": "text/plain"}
    large = b'[{"user_id":"' + b"a" * 5_200_000 + b'"}]'
    refused = requests.post(f"{collector.url}/events", data=large, headers=headers, timeout=30)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "event_too_large")
    assert post(collector, key).status_code == 429


def test_an_honest_request_is_charged_its_events_and_no_more(collector, owner, key):
    """Ten events of nearly 64 KiB each are ten, though they have more bytes than ten of the largest events."""
    event = {"user_id": "ann", "event_type": "view", "properties": {"a": ""}}
    event["properties"]["a"] = "a" * (65_536 - len(json.dumps(event)))
    body = "[" + ",\n".join([json.dumps(event)] * 10) + "]"
    answer = requests.post(
        f"{collector.url}/events", data=body, headers={"X-Write-Key": key, "Content-Type": "text/plain"}, timeout=30
    )
    assert answer.status_code == 200
    assert_charged(answer, 10)


def post_gzip(collector, key, body):
    headers = {"X-Write-Key": key, "Content-Type": "text/plain", "Content-Encoding": "gzip"}
    return requests.post(f"{collector.url}/events", data=body, headers=headers, timeout=30)


def test_what_is_over_the_limit_is_not_decompressed(collector, key):
    """It would be a 400 or a 413 otherwise."""
    assert post(collector, key, BURST + 60 * RATE).status_code == 200
    for body in (b"no gzip", gzip.compress(b" " * 5_300_000), gzip.compress(b"nonsense")):
        answer = post_gzip(collector, key, body)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b" " * 5_300_000)])
def test_what_cannot_be_decompressed_counts_as_a_request(collector, key, body):
    began = time.monotonic()
    answers = {post_gzip(collector, key, body).json()["code"] for _ in range(20)}
    remaining = int(post(collector, key).headers["RateLimit"].split(";")[1].removeprefix("r="))
    took = time.monotonic() - began
    assert answers == {"invalid_gzip" if body == b"no gzip" else "body_too_large"}
    assert remaining <= BURST - 21 + RATE * took + 1


def event_of(size, letters="a"):
    """An event of so many bytes as JSON."""
    event = {"user_id": "ann", "event_type": "view", "properties": {"a": ""}}
    event["properties"]["a"] = "".join(random.Random(size).choices(letters, k=size - len(json.dumps(event))))
    return json.dumps(event)


@pytest.mark.parametrize("letters", ["a", "".join(map(chr, range(35, 92)))])
def test_compressed_events_are_charged_as_others_are(collector, owner, key, letters):
    """Their bytes are few, or nearly those of ten events, before they are decompressed."""
    body = gzip.compress(("[" + ",\n".join(event_of(65_536 - n, letters) for n in range(10)) + "]").encode())
    answer = post_gzip(collector, key, body)
    assert answer.status_code == 200
    assert_charged(answer, 10)


def test_bytes_that_compressing_added_are_not_charged(collector, key):
    """The one event has fewer bytes than two of the largest; as it is sent it has more."""
    body = gzip.compress(event_of(65_000).encode())
    answer = post_gzip(collector, key, body + b"\0" * (2 * 65_536 - len(body)))
    assert answer.status_code == 201
    assert_charged(answer, 1)


def test_the_bytes_of_compressed_events_count_also_where_they_are_too_large(collector, key):
    """80 events' worth in some kilobytes."""
    refused = post_gzip(collector, key, gzip.compress(b'[{"user_id":"' + b"a" * 5_200_000 + b'"}]'))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "event_too_large")
    assert post(collector, key).status_code == 429


def test_what_is_over_the_limit_is_not_read(collector, key):
    """It would be a 400 or a 422 otherwise."""
    assert post(collector, key, BURST + 60 * RATE).status_code == 200
    headers = {"X-Write-Key": key, "Content-Type": "text/plain"}
    for body in (b"nonsense", b"[", b"[{}]", b'[{"user_id":NaN}]'):
        answer = requests.post(f"{collector.url}/events", data=body, headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")


def test_many_large_requests_at_once_get_in_no_more_than_one_after_the_other(collector, owner, key):
    """All of them take their first event before the others of any are counted."""
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(collector, key, 400).status_code, range(20)))
    took = time.monotonic() - began
    assert answers.count(429) == 20 - answers.count(200)
    assert 400 <= stored(owner) <= RATE * (10 + took) + 400


def test_a_client_that_never_pauses_gets_its_share_all_the_same(collector, owner, key):
    """A refused request uses nothing of the rate: otherwise requests with several events would never be admitted."""
    assert post(collector, key, BURST + RATE).status_code == 200
    assert eventually(lambda: post(collector, key, 2 * RATE).status_code == 200)
