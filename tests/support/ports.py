"""Ports for services that a test starts."""

import itertools
import os
import random
import socket
from collections.abc import Iterator

LOWEST, BEYOND = 20_000, 32_768
"""Systems hand out ports above these by themselves: one from there may be taken before the service that is to have it listens."""


def _candidates() -> Iterator[int]:
    """Of this process alone: each of pytest's workers has its own, and another run most likely begins elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = list(range(LOWEST + worker, BEYOND, workers))
    random.shuffle(ports)
    return itertools.cycle(ports)


_ports = _candidates()


def free_port() -> int:
    """A port of this machine's loopback that nothing listens on, and no other test is given."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")
