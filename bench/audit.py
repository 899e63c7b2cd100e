"""Checks that every acknowledged event is stored and counted: single events and batches under load, over two processes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from bench.contenders import empty, settled
from bench.services import Service
from bench.setup import Setup
from bench.tables import OURS, create_ours

CLIENTS = 8
SINGLES, BATCHES = 200, 5
"""The number of requests of each client."""


def _send(service: Service, singles: list[str], batches: list[str]) -> int:
    """Send them, and return how many events were acknowledged as stored."""
    acknowledged = 0
    with requests.Session() as session:
        session.headers.update({"Content-Type": "application/json", **service.headers})
        for body in singles:
            acknowledged += session.post(f"{service.url}/events", body, timeout=30).status_code == 201
        for body in batches:
            answer = session.post(f"{service.url}/events", body, timeout=30)
            if answer.ok:
                acknowledged += answer.json()["stored"]
    return acknowledged


def _lines(file: Path, many: int) -> list[str]:
    return file.read_text().splitlines()[:many]


def audit(setup: Setup) -> dict[str, int]:
    """The numbers of events sent, acknowledged, stored and counted, which must be equal."""
    create_ours(setup.postgres, OURS)
    empty(setup.postgres, OURS, counted=True)
    singles, batches = _lines(setup.requests.singles, SINGLES), _lines(setup.requests.batches, BATCHES)
    with setup.services() as services, ThreadPoolExecutor(CLIENTS) as clients:
        service = services.collector(2, OURS)
        acknowledged = sum(clients.map(lambda _: _send(service, singles, batches), range(CLIENTS)))
    stored, counted = settled(setup.postgres, OURS, counted=True)
    sent = CLIENTS * (SINGLES + BATCHES * 1000)
    return {"sent": sent, "acknowledged": acknowledged, "stored": stored, "counted": counted}
