"""A simulated collector, and clients of it that end with the test."""

import pytest
from simulated_collector import WRITE_KEY, SimulatedCollector

from event_tracker.client import Client


@pytest.fixture
def simulate():
    """A function that starts a simulated collector: simulate(answers=[{"status": 503}])."""
    started = []

    def start(**case):
        started.append(SimulatedCollector(case))
        return started[-1]

    yield start
    for collector in started:
        collector.close()


@pytest.fixture
def make_client():
    """A function that makes a client, for a simulated collector or a URL. `client.undelivered` has what it reported."""
    made = []

    def make(collector, **options):
        undelivered = []
        url = collector if isinstance(collector, str) else collector.url
        client = Client(url, WRITE_KEY, **{"interval_seconds": 0.01, "on_error": undelivered.append, **options})
        client.undelivered = undelivered
        made.append(client)
        return client

    yield make
    for client in made:
        client.close(timeout_seconds=0)
