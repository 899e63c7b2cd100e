"""The SDKs that people already have, as they are, against a real collector and its faults.

What an SDK takes for delivered is stored, once, and counted once. What it gives up by itself is its own decision: docs/clients has
the table, which this test prints (`pytest -s`, with SDK_FAULTS=all).
"""

import os
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from http_faults import FaultyProxy, faulty_proxy
from ports import free_port
from sdks import COUNT, SDKS, Delivery, Installed, Sender, tell
from servers import Postgres, Service
from storers import check_books
from waiting import wait_until

from event_tracker.core.secrets.keys import make_key

FAULT_SECONDS = 10
"""How long a fault lasts. Senders send for 8 s, so it begins among their events, and they close within it."""

FINISH_SECONDS = 240
"""An SDK that still tries after so many seconds counts as one that gave up."""


class Site:
    """A collector on a PostgreSQL of its own, with a proxy in front of it."""

    def __init__(self, postgres: Postgres, start_service: Callable[..., Service], rate_limit: int | None) -> None:
        self.postgres = postgres
        self._start_service = start_service
        self._port = free_port()
        self.write_key = self._make_key(rate_limit)
        self.collector = self.start()

    def start(self) -> Service:
        return self._start_service(
            "collector",
            DATABASE_URL=self.postgres.url("events", "collector"),
            PORT=self._port,
            AUTH="required",
            STORE_SECONDS=3,
        )

    def _make_key(self, rate_limit: int | None) -> str:
        key = make_key("wk")
        with psycopg.connect(self.postgres.url("events"), autocommit=True) as owner:
            owner.execute("insert into sources (name, rate_limit) values ('shop', %s)", [rate_limit])
            owner.execute(
                "insert into write_keys (prefix, source, hash) values (%s, 'shop', %s)", [key.prefix, key.hash]
            )
        return key.key


def fault_of_proxy(fault: str) -> Callable[[Site, FaultyProxy], None]:
    def happen(_: Site, proxy: FaultyProxy) -> None:
        proxy.fault = fault
        time.sleep(FAULT_SECONDS)
        proxy.fault = "none"

    return happen


def kill_collector(site: Site, _: FaultyProxy) -> None:
    """kill -9, and after the fault's time a new one."""
    site.collector.kill()
    time.sleep(FAULT_SECONDS)
    site.collector = site.start()


def stop_database(site: Site, _: FaultyProxy) -> None:
    site.postgres.stop("immediate")
    time.sleep(FAULT_SECONDS)
    site.postgres.start()


def nothing(_: Site, __: FaultyProxy) -> None:
    """The rate limit does it."""


FAULTS = {
    "answers are lost": fault_of_proxy("answers_lost"),
    "collector killed": kill_collector,
    "database away": stop_database,
    "503": fault_of_proxy("refused"),
    "slow answers": fault_of_proxy("slow"),
    "429": nothing,
}

CHOSEN = FAULTS if os.environ.get("SDK_FAULTS") == "all" else ["answers are lost"]
"""Each takes minutes: CONTRIBUTING.md has the command for all."""


@pytest.fixture
def site(request: pytest.FixtureRequest, own_postgres: Postgres, start_service: Callable[..., Service]) -> Site:
    """The site; under the fault 429 its key may send 20 events a second, and the SDKs send 5 each."""
    return Site(own_postgres, start_service, 20 if request.node.callspec.params["fault"] == "429" else None)


@pytest.fixture
def proxy(site: Site) -> Iterator[FaultyProxy]:
    """What the SDKs send to."""
    with faulty_proxy(site.collector.url) as proxy:
        yield proxy


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", CHOSEN)
def test_what_an_sdk_takes_for_delivered_is_stored_once(
    installed: Installed, site: Site, proxy: FaultyProxy, fault: str
) -> None:
    senders = [Sender(installed, name, proxy.url, site.write_key, name) for name in SDKS]
    with psycopg.connect(site.postgres.url("events"), autocommit=True) as owner:
        wait_until(
            lambda: owner.execute("select count(distinct user_id) from events").fetchone() == (len(SDKS),),
            "an event of each SDK stored",
        )
    FAULTS[fault](site, proxy)
    for sender in senders:
        sender.wait(FINISH_SECONDS)
    deliveries: dict[str, Delivery] = {}
    with psycopg.connect(site.postgres.url("events"), autocommit=True) as owner:
        for sender in senders:
            deliveries[sender.name] = sender.find_delivery(owner)
    print(tell(fault, deliveries))
    for name, delivery in deliveries.items():
        assert not delivery.lost, (name, delivery)
        assert not delivery.doubles, (name, delivery)
        assert len(delivery.delivered) + len(delivery.given_up) == COUNT, (name, delivery)
    check_books(site.postgres.url("events"), set())
