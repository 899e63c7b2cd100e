"""Single events: the no-op, ours and the peer at 32 and 128 connections, with 1 and 2 processes."""

from pathlib import Path

from bench.contenders import OverHttp, Posting, Storing
from bench.contest import Line
from bench.services import Service
from bench.setup import Setup
from bench.tables import OURS, PEER, create_express, create_ours

CONNECTIONS = (32, 128)
PROCESSES = (1, 2)


def singles(setup: Setup) -> list[Line]:
    """Measure single events."""
    create_ours(setup.postgres, OURS)
    if setup.express:
        create_express(setup.postgres, PEER)
    with setup.services() as services:
        contenders: list[OverHttp] = []
        started: list[tuple[str, Service]] = []
        for processes in PROCESSES:
            started.append(("noop", services.noop(processes)))
            started.append(("ours", services.collector(processes, OURS)))
            if setup.express:
                started.append(("express", services.express(processes, PEER)))
        for connections in CONNECTIONS:
            contenders += [
                contender(setup, kind, service, connections, setup.requests.singles) for kind, service in started
            ]
        return setup.compete("Single events", contenders)


def contender(setup: Setup, kind: str, service: Service, connections: int, requests: Path) -> OverHttp:
    """A service that is sent single events."""
    key = f"single/{kind}/{service.processes}/{connections}"
    if kind == "noop":
        return Posting(service, requests, connections, setup.terms.warm_up, key=key)
    return Storing(
        service, requests, connections, setup.terms.warm_up, key=key,
        postgres=setup.postgres, database=OURS if kind == "ours" else PEER, counted=kind == "ours",
    )  # fmt: skip
