"""The contenders that are measured: services under wrk, reading or storing, and programs that write to PostgreSQL directly."""

import json
import subprocess
import sys
import time
from pathlib import Path

from psycopg import sql

from bench import ROOT
from bench.contest import Sample
from bench.noise import resident_mib
from bench.postgres import Postgres
from bench.services import Service
from bench.wrk import run_wrk

SETTLE_SECONDS = 10

FIRST_WARM_UP = 5
"""The factor by which a contender's first warm-up is longer: V8 compiles the peer's code for some ten seconds."""


class OverHttp:
    """A service under wrk."""

    method = "GET"

    def __init__(
        self,
        service: Service,
        requests: Path,
        connections: int,
        warm_up: float,
        *,
        key: str,
        name: str = "",
        unit: str = "requests",
        path: str = "/events",
        media_type: str = "application/json",
    ) -> None:
        self.path, self.media_type = path, media_type
        self.service, self.requests, self.connections, self.warm_up = service, requests, connections, warm_up
        self.key, self.name, self.unit = key, name or service.name, unit
        self.processes = service.processes
        self.pids = service.pids
        self.mib = 0.0
        self.per_request = 1
        self.warm = False
        self.samples: list[Sample] = []

    def prepare(self) -> None:
        longer = 1 if self.warm else FIRST_WARM_UP
        self.samples = [self._load(self.warm_up * longer)]
        self.warm = True

    def run(self, seconds: float) -> Sample:
        sample = self._load(seconds)
        self.samples.append(sample)
        return sample

    def check(self) -> list[str]:
        failed, lost = sum(it.failed for it in self.samples), sum(it.lost for it in self.samples)
        silent = not self.samples[-1].acknowledged
        return (
            [f"{failed} answers of status 400 and above"] * bool(failed)
            + [f"{lost} requests without an answer"] * bool(lost)
            + ["no answer at all"] * silent
        )

    def _load(self, seconds: float) -> Sample:
        return run_wrk(
            self.service.url,
            self.requests,
            self.connections,
            seconds,
            method=self.method,
            path=self.path,
            media_type=self.media_type,
            per_request=self.per_request,
            headers=self.service.headers,
            nearly=self._weigh,
        )

    def _weigh(self) -> None:
        self.mib = max(self.mib, resident_mib(self.service.pids))


class Posting(OverHttp):
    """A service that takes events and stores nothing."""

    method = "POST"


class Storing(Posting):
    """A service that stores events in a database of its own, empty at the start of each run."""

    def __init__(
        self, service: Service, requests: Path, connections: int, warm_up: float, *,
        key: str, postgres: Postgres, database: str, counted: bool, per_request: int = 1, name: str = "",
        path: str = "/events", media_type: str = "application/json",
    ) -> None:  # fmt: skip
        super().__init__(
            service, requests, connections, warm_up, key=key, name=name,
            unit="requests" if per_request == 1 else "events", path=path, media_type=media_type,
        )  # fmt: skip
        self.postgres, self.database, self.counted = postgres, database, counted
        self.per_request = per_request

    def prepare(self) -> None:
        self.empty()
        super().prepare()
        self.rest()

    def rest(self) -> None:
        """Wait after the warm-up: requests that are left of it would fill the queue of the timed run."""
        self.settled()

    def empty(self) -> None:
        empty(self.postgres, self.database, counted=self.counted)

    def settled(self) -> tuple[int, int]:
        """The numbers of events stored and counted since it was emptied, once nothing is being stored any more."""
        return settled(self.postgres, self.database, counted=self.counted)

    def check(self) -> list[str]:
        return super().check() + self._check_stored()

    def _check_stored(self) -> list[str]:
        """Check that every acknowledged event is stored once, and counted.

        wrk hangs up on the requests that are under way when its time is over: those are stored and never acknowledged,
        at most one for each connection. audit.py compares to the last event.
        """
        stored, counted = self.settled()
        acknowledged = sum(sample.acknowledged for sample in self.samples)
        hung_up = len(self.samples) * self.connections * self.per_request
        complaints = []
        if not acknowledged <= stored <= acknowledged + hung_up:
            complaints.append(f"{acknowledged} events acknowledged, {stored} stored")
        if self.counted and stored != counted:
            complaints.append(f"{stored} events stored, {counted} counted")
        return complaints


class Direct:
    """Programs that write to PostgreSQL directly, over one connection each (direct.py)."""

    processes = 0
    mib = 0.0

    def __init__(
        self, kind: str, requests: Path, connections: int, warm_up: float, seconds: float, *,
        key: str, name: str, postgres: Postgres, database: str,
    ) -> None:  # fmt: skip
        self.key, self.name, self.connections = key, name, connections
        self.unit = "events"
        self.pids: list[int] = []
        self.postgres, self.database = postgres, database
        self.command = [
            sys.executable, "-m", "bench.direct", kind, postgres.url(database), str(requests), str(warm_up), str(seconds),
        ]  # fmt: skip
        self.programs: list[subprocess.Popen[str]] = []
        self.rows = 0

    def prepare(self) -> None:
        empty(self.postgres, self.database, counted=True)
        self.programs = [
            subprocess.Popen(self.command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(self.connections)
        ]
        for program in self.programs:
            if not program.stdout or program.stdout.readline() != "ready\n":
                raise RuntimeError(f"{self.name} ended before it began")

    def run(self, seconds: float) -> Sample:
        for program in self.programs:
            assert program.stdin
            program.stdin.write("go\n")
            program.stdin.flush()
        answers = [json.loads(program.communicate(timeout=seconds + 60)[0]) for program in self.programs]
        self.rows = sum(answer["rows"] + answer["warm_rows"] for answer in answers)
        return Sample(
            rate=sum(answer["rate"] for answer in answers),
            p50_ms=max(answer["p50_ms"] for answer in answers),
            p99_ms=max(answer["p99_ms"] for answer in answers),
            acknowledged=sum(answer["rows"] for answer in answers),
        )

    def check(self) -> list[str]:
        stored, _ = settled(self.postgres, self.database, counted=False)
        return [] if stored == self.rows else [f"{self.rows} rows written, {stored} stored"]


def empty(postgres: Postgres, database: str, *, counted: bool) -> None:
    """Empty the tables and make a checkpoint, so that there is none during the run."""
    postgres.execute(database, "truncate events, event_counts, users" if counted else "truncate events", "checkpoint")


def settled(postgres: Postgres, database: str, *, counted: bool) -> tuple[int, int]:
    """Wait until nothing is being stored, and return the numbers of events stored and counted."""
    total = "(select coalesce(sum(count), 0)::bigint from event_counts)" if counted else "0"
    return wait_settled(postgres, database, f"select (select count(*) from events), {total}".encode())


def wait_settled(postgres: Postgres, database: str, query: bytes | sql.Composed) -> tuple[int, int]:
    """The same, by a query that returns both."""
    deadline = time.monotonic() + SETTLE_SECONDS
    last: tuple[int, int] | None = None
    while True:
        now: tuple[int, int] = postgres.execute(database, query)
        if now == last or time.monotonic() > deadline:
            return now
        last = now
        time.sleep(0.3)
