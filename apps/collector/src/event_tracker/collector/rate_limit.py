"""How many events a second each key may send, over all collectors together.

PostgreSQL keeps one row a limited key (infra/migrations/0009-rate-limits.sql). A collector takes leases from it, each worth a
tenth of a second, so that a limited key costs ten round trips a second at most, and one without a limit none.

Over any time t no more than rate times (BURST_SECONDS + t) events and one request are let in by all collectors together. A
collector may hold an unused lease for a second: so much less may be let in, never more.

A request takes one event, or as many as its bytes are at least, before it is decompressed; as many as its bytes are then,
before it is split; and the others once it is known how many there are, before any is read. Each time it takes what is more
than it took before. So what is refused costs little, and a request that holds no event counts as one.
"""

import math
import time
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
from gevent.lock import BoundedSemaphore

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import ConnectionPool, execute

QUERIES = load_queries("event_tracker.collector")

BURST_SECONDS = 10
"""How much of the rate may be used at once by a key that was silent."""

LEASE_SECONDS = 0.1
KEPT_SECONDS = 1.0
"""After this an unused lease is forgotten: the rate was meant for then."""


class Quota(NamedTuple):
    """What a key may still send: so many events at once, all of its burst again after so many seconds."""

    remaining: int
    seconds: int


@dataclass
class _Lease:
    events: int = 0
    until: float = float("-inf")
    quota: Quota = Quota(0, 0)  # noqa: RUF009  # it is a tuple
    taking: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(1))


class RateLimit:
    """The leases of one collector."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection]) -> None:
        self._pool = pool
        self._leases: dict[str, _Lease] = {}

    def take(self, prefix: str, rate: int, events: int, taken: int = 0) -> list[tuple[str, str]]:
        """Let so many events of a key in, and give the headers that say what it may still send.

        Args:
            taken: how many of these were let in before. They don't count against the others; if those are refused, the key
                has them again.

        Raises:
            Problem: 429 with Retry-After.
            psycopg.Error: if the database can't be asked.
        """
        lease = self._leases.setdefault(prefix, _Lease())
        with lease.taking:  # who waits may find enough in the lease of who was first
            if time.monotonic() > lease.until:
                lease.events = 0
            more = events - taken
            if lease.events < more:
                self._renew(lease, prefix, rate, more, taken)
            lease.events -= more
            return _headers(rate, lease.quota, lease.events)

    def _renew(self, lease: _Lease, prefix: str, rate: int, events: int, taken: int) -> None:
        more = max(events - lease.events, math.ceil(rate * LEASE_SECONDS))
        asked = {"prefix": prefix, "seconds": more / rate, "burst": BURST_SECONDS + taken / rate}
        # No row: another collector made the key's first one at this very moment, and used it up.
        is_let_in, ahead = next(iter(execute(self._pool, QUERIES["take_events"], asked)), (False, BURST_SECONDS + 1.0))
        lease.quota = Quota(max(0, math.floor((BURST_SECONDS - ahead) * rate)), math.ceil(max(0.0, ahead)))
        if not is_let_in:
            lease.events += taken
            wait = max(1, math.ceil(ahead - BURST_SECONDS))
            detail = f"This key may send {rate:,} events a second. Nothing of this request is stored: send it again in {wait} s."
            headers = {"Retry-After": str(wait), **dict(_headers(rate, lease.quota, 0))}
            raise Problem(429, "rate_limited", detail, headers=headers)
        lease.events += more
        lease.until = time.monotonic() + KEPT_SECONDS


def _headers(rate: int, quota: Quota, leased: int) -> list[tuple[str, str]]:
    """RateLimit header fields (draft-ietf-httpapi-ratelimit-headers-10): quota and window; remaining, and when it is whole."""
    return [
        ("RateLimit-Policy", f'"events";q={rate * BURST_SECONDS};w={BURST_SECONDS}'),
        ("RateLimit", f'"events";r={quota.remaining + leased};t={quota.seconds}'),
    ]
