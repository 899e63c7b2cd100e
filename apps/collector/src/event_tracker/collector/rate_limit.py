"""Limits how many events a second each key may send, over all collectors together.

PostgreSQL keeps one row a limited key (infra/migrations/0009-rate-limits.sql). A collector takes leases from it, each worth a
tenth of a second, so that a limited key costs ten round trips a second at most, and one without a limit none.

Over any time t, all collectors together admit at most rate times (BURST_SECONDS + t) events, and one request more. A
collector may hold an unused lease for a second: so fewer events may be admitted, never more.

A request is charged three times: by its bytes before it is decompressed, by its bytes after that, and by its number of events
once it is split, before any is read. Each time, only the difference is charged. So a refused request costs little, and a
request without events counts as one.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
from gevent.lock import BoundedSemaphore

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.core.postgres.pool import UNAVAILABLE, ConnectionPool, execute

QUERIES = load_queries("event_tracker.collector")

BURST_SECONDS = 10
"""Seconds of the rate that an idle key may use at once."""

LEASE_SECONDS = 0.1
KEPT_SECONDS = 1.0
"""After so many seconds an unused lease expires."""


class Quota(NamedTuple):
    """What a key may still send: `remaining` events at once, and its whole burst again after `seconds`."""

    remaining: int
    seconds: int


@dataclass
class _Lease:
    events: int = 0
    until: float = float("-inf")
    quota: Quota = Quota(0, 0)  # noqa: RUF009  # it is a tuple
    used_up_to: float = float("-inf")  # by our own clock, while the database is unavailable
    taking: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(1))


class RateLimit:
    """The leases of one collector.

    Args:
        is_unavailable: tells whether the database is known to be unavailable. If it is given, this collector alone counts then, and
            all collectors together may admit as many times the rate as there are collectors. Otherwise no request is admitted.
    """

    def __init__(
        self, pool: ConnectionPool[psycopg.Connection], is_unavailable: Callable[[], bool] | None = None
    ) -> None:
        self._pool = pool
        self._is_unavailable = is_unavailable
        self._leases: dict[str, _Lease] = {}

    def take(self, prefix: str, rate: int, events: int, taken: int = 0) -> list[tuple[str, str]]:
        """Admit so many events of a key; return the headers that say what it may still send.

        Args:
            taken: how many of these events were admitted before. They aren't counted again. If the others are refused, they
                are given back.

        Raises:
            Problem: 429 with Retry-After.
            psycopg.Error: if the database is unavailable.
        """
        lease = self._leases.setdefault(prefix, _Lease())
        with lease.taking:  # after waiting, the lease that another request took may be enough
            if time.monotonic() > lease.until:
                lease.events = 0
            more = events - taken
            if lease.events < more:
                self._renew(lease, prefix, rate, more, taken)
            lease.events -= more
            return _make_headers(rate, lease.quota, lease.events)

    def _renew(self, lease: _Lease, prefix: str, rate: int, events: int, taken: int) -> None:
        more = max(events - lease.events, math.ceil(rate * LEASE_SECONDS))
        is_admitted, ahead = self._use(lease, prefix, more / rate, BURST_SECONDS + taken / rate)
        lease.quota = Quota(max(0, math.floor((BURST_SECONDS - ahead) * rate)), math.ceil(max(0.0, ahead)))
        if not is_admitted:
            lease.events += taken
            wait = max(1, math.ceil(ahead - BURST_SECONDS))
            detail = f"This key may send {rate:,} events a second. Nothing of this request is stored: send it again in {wait} s."
            headers = {"Retry-After": str(wait), **dict(_make_headers(rate, lease.quota, 0))}
            raise Problem(429, "rate_limited", detail, headers=headers)
        lease.events += more
        lease.until = time.monotonic() + KEPT_SECONDS

    def _use(self, lease: _Lease, prefix: str, seconds: float, burst: float) -> tuple[bool, float]:
        """Use the rate of so many seconds, unless more than the burst is used already; return whether it is, and up to how many seconds
        from now the rate is used."""
        if self._is_unavailable and self._is_unavailable():
            return _use_alone(lease, seconds, burst)
        parameters = {"prefix": prefix, "seconds": seconds, "burst": burst}
        try:
            # No row: another collector inserted the key's first row at the same time, and used up its rate.
            return next(iter(execute(self._pool, QUERIES["take_events"], parameters)), (False, BURST_SECONDS + 1.0))
        except UNAVAILABLE:
            if self._is_unavailable is None:
                raise
            return _use_alone(lease, seconds, burst)


def _use_alone(lease: _Lease, seconds: float, burst: float) -> tuple[bool, float]:
    """What `take_events` does, by this collector's own clock."""
    now = time.monotonic()
    is_admitted = lease.used_up_to <= now + burst
    if is_admitted:
        lease.used_up_to = max(lease.used_up_to, now) + seconds
    return is_admitted, lease.used_up_to - now


def _make_headers(rate: int, quota: Quota, leased: int) -> list[tuple[str, str]]:
    """RateLimit header fields (draft-ietf-httpapi-ratelimit-headers-10): quota and window; remaining, and when it is full again."""
    return [
        ("RateLimit-Policy", f'"events";q={rate * BURST_SECONDS};w={BURST_SECONDS}'),
        ("RateLimit", f'"events";r={quota.remaining + leased};t={quota.seconds}'),
    ]
