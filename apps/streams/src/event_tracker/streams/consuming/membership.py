"""Whether this process is a member of its group at present, by librdkafka's statistics of every few seconds."""

import time

import msgspec

from event_tracker.streams.consuming.metrics import ConsumerMetrics


class _Broker(msgspec.Struct):
    state: str
    nodeid: int


class _Group(msgspec.Struct):
    state: str
    join_state: str


class _Statistics(msgspec.Struct):
    brokers: dict[str, _Broker] = {}
    cgrp: _Group | None = None


_decode = msgspec.json.Decoder(_Statistics).decode


class Membership:
    """The state of the membership.

    Attributes:
        has_joined: whether it was a member once.
        is_connected: whether a broker can be reached.
        outside_since: since when it has not been a member although a broker can be reached, by the monotonic clock; None if it is one.
    """

    def __init__(self, metrics: ConsumerMetrics) -> None:
        self._brokers_up = metrics.brokers_up
        self.has_joined = False
        self.is_connected = False
        self.outside_since: float | None = None

    def read(self, statistics: str) -> None:
        """Take librdkafka's statistics, as JSON."""
        decoded = _decode(statistics)
        brokers = sum(broker.state == "UP" and broker.nodeid >= 0 for broker in decoded.brokers.values())
        self._brokers_up.set(brokers)
        self.is_connected = brokers > 0
        is_member = decoded.cgrp is not None and (decoded.cgrp.state, decoded.cgrp.join_state) == ("up", "steady")
        self.has_joined |= is_member
        if is_member or not brokers:
            self.outside_since = None
        elif self.outside_since is None:
            self.outside_since = time.monotonic()
