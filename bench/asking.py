"""Contenders with one client that repeats one query: the query service over HTTP, and plain SQL over the raw table."""

import time
from collections.abc import Callable
from typing import LiteralString

import psycopg
import requests

from bench.contest import Sample
from bench.noise import resident_mib
from bench.postgres import Postgres
from bench.services import Service


class Asking:
    """One client that repeats one query.

    Attributes:
        ask: sends the query once. Returns what is wrong with the answer, or an empty text.
        least: how often it is asked in a run, however long that takes.
    """

    connections = 1
    unit = "requests"

    def __init__(
        self,
        ask: Callable[[], str],
        *,
        key: str,
        name: str,
        warm_up: float,
        service: Service | None,
        least: int = 3,
    ) -> None:
        self.least = least
        self.ask, self.key, self.name, self.warm_up = ask, key, name, warm_up
        self.service = service
        self.processes = service.processes if service else 0
        self.pids = service.pids if service else []
        self.mib = 0.0
        self.complaints: set[str] = set()

    def prepare(self) -> None:
        if self.warm_up:
            self._ask_for(self.warm_up)

    def run(self, seconds: float) -> Sample:
        times = sorted(self._ask_for(seconds))
        if self.service:
            self.mib = max(self.mib, resident_mib(self.pids))
        return Sample(
            rate=len(times) / sum(times),
            p50_ms=times[len(times) // 2] * 1000,
            p99_ms=times[len(times) * 99 // 100] * 1000,
            acknowledged=len(times),
        )

    def check(self) -> list[str]:
        return sorted(self.complaints)

    def _ask_for(self, seconds: float) -> list[float]:
        """How long each answer took."""
        times: list[float] = []
        deadline = time.perf_counter() + seconds
        while len(times) < self.least or time.perf_counter() < deadline:
            started = time.perf_counter()
            complaint = self.ask()
            times.append(time.perf_counter() - started)
            if complaint:
                self.complaints.add(complaint)
        return times


def over_http(service: Service, method: str, path: str, body: object) -> Callable[[], str]:
    """A function that queries the query service, over one connection."""
    session = requests.Session()
    session.headers.update(service.headers)

    def ask() -> str:
        answer = session.request(method, service.url + path, json=body, timeout=300)
        return "" if answer.ok else f"status {answer.status_code}: {answer.text[:200]}"

    return ask


def in_sql(postgres: Postgres, database: str, statement: LiteralString) -> Callable[[], str]:
    """A function that queries PostgreSQL with its default settings, over one connection."""
    connection = psycopg.connect(postgres.url(database), autocommit=True, options="-c timezone=UTC")

    def ask() -> str:
        return "" if connection.execute(statement).fetchall() else "no rows"

    return ask
