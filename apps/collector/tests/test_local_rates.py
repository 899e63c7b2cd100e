"""While PostgreSQL is unavailable and events go through Kafka, each collector counts rates alone, by the same rule."""

import time

import psycopg
import pytest
from ports import free_port

from event_tracker.collector.rate_limit import BURST_SECONDS, RateLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import UNAVAILABLE, open_pool

RATE = 100


@pytest.fixture
def pool():
    """A pool of connections to nowhere."""
    made = open_pool(
        f"postgresql://127.0.0.1:{free_port()}/events", name="test", size=1, timeout=0.2, options={}, watched=False
    )
    yield made
    made.close()


def remaining(headers):
    return dict(headers)["RateLimit"]


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "not known yet"])
def test_the_burst_is_admitted_and_no_more(pool, is_known, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    limit = RateLimit(pool, lambda: is_known)
    for _ in range(BURST_SECONDS):
        limit.take("wk_1", RATE, RATE)
    limit.take("wk_1", RATE, 1)  # a request that begins within the burst
    with pytest.raises(Problem) as refused:
        limit.take("wk_1", RATE, RATE)
    assert (refused.value.status, refused.value.code) == (429, "rate_limited")
    assert refused.value.headers["Retry-After"] == "1"
    limit.take("wk_2", RATE, RATE)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + BURST_SECONDS)
    assert remaining(limit.take("wk_1", RATE, RATE))


def test_without_kafka_it_raises(pool):
    with pytest.raises(UNAVAILABLE) as raised:
        RateLimit(pool).take("wk_1", RATE, 1)
    assert isinstance(raised.value, psycopg.Error)
