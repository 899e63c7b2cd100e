"""Ports for services that a test starts."""

import itertools
import os
import random
import socket
from collections.abc import Iterator

LOWEST, BEYOND = 20_000, 32_768
"""The range of ports. Systems assign higher ports by themselves, so one of those could be taken before the service listens on it."""


def _candidates() -> Iterator[int]:
    """The ports of this process: each of pytest's workers has others, and another run most likely begins with another port."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = list(range(LOWEST + worker, BEYOND, workers))
    random.shuffle(ports)
    return itertools.cycle(ports)


_ports = _candidates()


def free_port() -> int:
    """A port of this machine's loopback that nothing listens on. No other test gets it."""
    return next(port for port in _ports if _is_free(port))


def same_port(ports: list[int]) -> int:
    """The first of these ports on which nothing listens any more. If there is none, add a free one."""
    for port in ports:
        if _is_free(port, once_used=True):
            return port
    ports.append(free_port())
    return ports[-1]


def _is_free(port: int, *, once_used: bool = False) -> bool:
    """Args: once_used: whether connections to a service that has ended may still be known to the system."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, once_used)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
