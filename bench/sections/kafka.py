"""Kafka in front of the collector: single events and batches beside the direct way, and storers that store a backlog."""

import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from bench.brokers import DRAIN_SECONDS, Brokers, find_missing, run_brokers
from bench.contenders import Storing
from bench.contest import Line, Sample, say
from bench.events import BATCH_EVENTS
from bench.noise import resident_mib
from bench.services import Service, Services
from bench.setup import Setup
from bench.tables import OURS, create_ours

BROKERS = (1, 3)
SINGLE_CONNECTIONS = 128
BATCH_CONNECTIONS = 8
STORERS = (1, 2)

STORED = re.compile(r'^storer_records_total\{outcome="stored"\} (\S+)$', re.MULTILINE)
ASSIGNED = re.compile(r"^storer_assigned_partitions (\S+)$", re.MULTILINE)


class Storers:
    """Starts storers of the topic."""

    def __init__(self, services: Services, brokers: Brokers) -> None:
        self._services, self._brokers = services, brokers

    def start(self, number: int) -> list[Service]:
        """Start so many, and wait until they are members of their group."""
        return [self._services.storer(OURS, self._brokers.settings) for _ in range(number)]

    def drain(self) -> None:
        """Have everything stored that waits in the topic."""
        if self._brokers.count_waiting():
            storers = self.start(max(STORERS))
            self._brokers.wait_stored()
            for storer in storers:
                storer.stop()


class Accepting(Storing):
    """A collector that sends events to Kafka. After each run storers drain the topic, and what was acknowledged must be stored.

    No storer runs meanwhile. The brokers' CPU time counts as the service's.
    """

    def __init__(self, *given: Any, brokers: Brokers, storers: Storers, **named: Any) -> None:
        super().__init__(*given, **named)
        self.brokers, self.storers = brokers, storers
        self.pids = [*self.service.pids, *brokers.pids]
        self._broker_mib = 0.0

    def rest(self) -> None:
        """Nothing of the warm-up is left in the collector: the topic has it."""

    def fill(self, seconds: float) -> None:
        """Leave a backlog in the topic, and nothing in the database."""
        self.empty()
        self.samples = [self._load(seconds)]

    def run(self, seconds: float) -> Sample:
        return replace(super().run(seconds), broker_mib=self._broker_mib)

    def settled(self) -> tuple[int, int]:
        self.storers.drain()
        return super().settled()

    def _weigh(self) -> None:
        super()._weigh()
        self._broker_mib = max(self._broker_mib, self.brokers.weigh())


class Draining:
    """Storers that store a backlog, from the moment when all of it waits and each of them has its partitions."""

    unit = "events"

    def __init__(self, number: int, filler: Accepting, seconds: float) -> None:
        self.key = f"kafka/storers/{number}"
        self.name = f"{number} storer{'s' * (number > 1)}"
        self.processes = self.connections = number
        self.mib = 0.0
        self.pids: list[int] = []
        self._filler, self._seconds = filler, seconds
        self._started: list[Service] = []
        self._backlog = 0

    def prepare(self) -> None:
        self._started = self._filler.storers.start(self.processes)
        self.pids = [pid for storer in self._started for pid in storer.pids]
        self._wait(lambda: all(_read(storer, ASSIGNED) for storer in self._started))
        self._send(signal.SIGSTOP)
        self._filler.fill(self._seconds)
        self._backlog = self._filler.brokers.count_waiting()

    def run(self, seconds: float) -> Sample:
        """Store all of it, however long that takes."""
        began = time.monotonic()
        self._send(signal.SIGCONT)
        self._wait(lambda: sum(_read(storer, STORED) for storer in self._started) >= self._backlog)
        took = time.monotonic() - began
        return Sample(self._backlog / took, 0, 0, self._backlog, broker_mib=self._filler.brokers.weigh())

    def check(self) -> list[str]:
        for storer in self._started:
            storer.stop()
        return self._filler.check()

    def _send(self, sig: signal.Signals) -> None:
        for storer in self._started:
            for process in storer.started:
                process.send_signal(sig)

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while not is_so():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: not done in time:\n{self._started[0].log.read_text()[-2000:]}")
            self.mib = max(self.mib, resident_mib(self.pids))
            time.sleep(0.1)


def kafka(setup: Setup) -> list[Line]:
    """Measure with one broker and with three. Nothing, if there can be no Kafka here."""
    if missing := find_missing():
        say(f"! NO KAFKA: {missing}; its rows are left out")
        return []
    create_ours(setup.postgres, OURS)
    return [line for number in BROKERS for line in _measure(setup, number)]


def _measure(setup: Setup, number: int) -> list[Line]:
    with run_brokers(number) as brokers, setup.services() as services:
        storers = Storers(services, brokers)
        direct = services.collector(1, OURS)
        accepting = services.collector(1, OURS, name=f"ours, Kafka, {brokers.name}", kafka=brokers.settings)

        def pair(kind: str, bodies: Path, connections: int, per_request: int) -> tuple[Storing, Accepting]:
            given = (bodies, connections, setup.terms.warm_up)
            key = f"kafka/{number}/{kind}"
            named: dict[str, Any] = {
                "postgres": setup.postgres, "database": OURS, "counted": True, "per_request": per_request
            }  # fmt: skip
            return (
                Storing(direct, *given, key=f"{key}/direct", **named),
                Accepting(accepting, *given, key=f"{key}/kafka", brokers=brokers, storers=storers, **named),
            )

        singles = pair("single", setup.requests.singles, SINGLE_CONNECTIONS, 1)
        batches = pair("batch", setup.requests.batches, BATCH_CONNECTIONS, BATCH_EVENTS)
        lines = setup.compete(f"Single events to {brokers.name}", singles)
        lines += setup.compete(f"Batches of 1,000 to {brokers.name}", batches)
        if number == min(BROKERS):
            backlogs = [Draining(one, batches[1], setup.terms.seconds) for one in STORERS]
            lines += setup.compete("Storers, a backlog in one broker", backlogs)
        return lines


def _read(storer: Service, metric: re.Pattern[str]) -> float:
    found = metric.search(requests.get(f"{storer.url}/metrics", timeout=60).text)
    return float(found.group(1)) if found else 0.0
