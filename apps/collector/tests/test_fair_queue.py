"""Sources share the queue: however much one of them sends, the events of others are admitted, and stored with the next group."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
import requests
from sites import make_source, start_guarded
from waiting import wait_until

from event_tracker.collector.writer import FairQueue
from event_tracker.core.http.errors import Problem

EVENT = {"user_id": "ann", "event_type": "view"}
PATIENT = {"STORE_SECONDS": 60, "STATEMENT_SECONDS": 50}
LOCKED_OUT = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
def fill():
    """A queue; put(source, *sizes) lets requests wait in it, each with so many events; take(most) gives the source and number of each."""
    queue, requests_of, names = FairQueue(1000), Counter(), {}
    with ExitStack() as places:

        def put(source, *sizes):
            for size in sizes:
                requests_of[source] += 1
                request = places.enter_context(queue.reserve(source, size))
                names[request] = f"{source} {requests_of[source]}"
                queue.put(request)

        def take(most):
            return [names[request] for request in queue.take(most)]

        yield queue, put, take


def test_a_group_has_as_many_events_of_each_source(fill):
    _, put, take = fill
    put("loud", 10, 10, 10)
    put("quiet", 1, 1, 1)
    assert take(15) == ["loud 1", "quiet 1", "quiet 2", "quiet 3"]
    assert take(15) == ["loud 2"]


def test_one_source_alone_fills_groups_in_order(fill):
    queue, put, take = fill
    put("only", 4, 5, 1, 6)
    assert take(10) == ["only 1", "only 2", "only 3"]
    assert take(10) == ["only 4"]
    assert not queue
    assert queue.events == 0


def test_a_request_that_did_not_fit_comes_first_the_next_time(fill):
    _, put, take = fill
    put("small", *[1] * 6)
    put("large", 20)
    assert take(4) == ["small 1", "small 2", "small 3", "small 4"]
    assert take(4) == ["large 1"]
    assert take(4) == ["small 5", "small 6"]


def test_sources_for_which_a_group_has_no_place_come_first_the_next_time(fill):
    _, put, take = fill
    for source in ("a", "b", "c"):
        put(source, 1, 1)
    assert [take(2) for _ in range(3)] == [["a 1", "b 1"], ["c 1", "a 2"], ["b 2", "c 2"]]


def test_a_source_has_half_of_the_queue_and_its_only_request_is_always_let_in():
    queue = FairQueue(10)
    with ExitStack() as places:

        def reserve(source, events):
            places.enter_context(queue.reserve(source, events))

        reserve("loud", 4)
        reserve("loud", 1)
        with pytest.raises(Problem) as refused:
            reserve("loud", 1)
        assert (refused.value.status, refused.value.code) == (503, "queue_full")
        reserve("other", 4)
        reserve("large", 100)
        with pytest.raises(Problem):  # all have too many together
            reserve("other", 1)
        reserve("quiet", 1)
        assert queue.events == 110
    assert queue.events == 0
    with queue.reserve("loud", 5):
        assert queue.events == 5


def test_who_waits_no_more_leaves_the_queue(fill):
    queue, put, take = fill
    put("a", 1)
    with queue.reserve("a", 3) as request:
        request.resize(2)  # one of three was invalid
        queue.put(request)
        assert queue.events == 3
        queue.remove(request)
    put("a", 1)
    assert queue.events == 2
    assert take(10) == ["a 1", "a 2"]
    queue.remove(request)  # it was removed already
    assert queue.events == 0


def test_a_source_that_fills_its_half_keeps_nobody_out(start_service, postgres, database, owner):
    keys = {name: make_source(owner, name, []) for name in ("shop", "blog")}
    collector = start_guarded(start_service, postgres.url(database, "collector"), QUEUE_EVENTS=10, **PATIENT)

    def post(source, events):
        headers = {"X-Write-Key": keys[source]}
        return requests.post(f"{collector.url}/events", json=events, headers=headers, timeout=90)

    def waiting():
        text = requests.get(f"{collector.url}/metrics", timeout=30).text
        return float(re.search(r"^collector_queue_events (.+)$", text, re.MULTILINE)[1])

    with psycopg.connect(owner.info.dsn) as holder, ThreadPoolExecutor(4) as pool:
        holder.execute("lock table events in access exclusive mode")
        sent = [pool.submit(post, "shop", [EVENT] * 5)]
        wait_until(lambda: owner.execute(LOCKED_OUT).fetchone() == (1,), "the first group is on its way")
        sent.append(pool.submit(post, "shop", [EVENT] * 5))
        wait_until(lambda: waiting() == 5, "the second request waits")
        refused = post("shop", {"user_id": 1})  # before it is read, or it would be a 422
        sent.append(pool.submit(post, "blog", [EVENT] * 4))
        wait_until(lambda: waiting() == 9, "the other source's request waits")
        holder.rollback()
        assert [answer.result().status_code for answer in sent] == [200] * 3
    assert (refused.status_code, refused.json()["code"]) == (503, "queue_full")
    assert refused.headers["Retry-After"]
    assert waiting() == 0
