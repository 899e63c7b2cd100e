"""Places for exports and live streams: one token or person can't take all of them."""

from contextlib import ExitStack

import pytest
import requests
from waiting import wait_until

PLACES = 4
HALF = 2


@pytest.fixture(scope="module")
def service(start_guarded):
    return start_guarded(EXPORTS=PLACES, LIVE_CLIENTS=PLACES)


@pytest.fixture
def keep_open(shared_owner):
    """keep_open(client, path): its answer as it begins; of an export, more is to come than sockets hold."""
    shared_owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, properties)"
        " select 'u', timestamptz '2026-03-01' + n * interval '1 s', gen_random_uuid(), 'x',"
        " jsonb_build_object('text', repeat('x', 10000)) from generate_series(1, 3000) n"
    )
    with ExitStack() as opened:
        yield lambda client, url: opened.enter_context(client.get(url, stream=True, timeout=60))


@pytest.mark.parametrize("path", ["/events/live", "/events/export"])
def test_one_token_has_half_of_the_places_and_another_finds_one(service, who_sees, keep_open, path):
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


def test_where_nobody_says_who_they_are_they_may_have_all(start_guarded, keep_open):
    service = start_guarded(EXPORTS=PLACES, LIVE_CLIENTS=PLACES, AUTH="open")
    answers = [keep_open(requests, f"{service.url}/events/live") for _ in range(PLACES)]
    assert [answer.status_code for answer in answers] == [200] * PLACES
