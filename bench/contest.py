"""Contenders run in rotation, A B C A B C, so that changes of the machine (disk, other load, temperature) affect all of them."""

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.noise import Meter, Patience, Usage

ATTEMPTS = 3
"""The number of attempts for a run that other load disturbs. Then the last one counts, and is marked."""


@dataclass(frozen=True)
class Sample:
    """The measurements of a load generator.

    Attributes:
        rate: units a second.
        acknowledged: units answered with success.
        failed: answers of status 400 and above.
        lost: connections refused or broken, and answers that didn't come in time.
        broker_mib: resident memory of a broker of Kafka, the most seen; 0 if there is none.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    acknowledged: int
    failed: int = 0
    lost: int = 0
    answer_bytes: int = 0
    broker_mib: float = 0.0


@dataclass(frozen=True)
class Run:
    """One timed run."""

    sample: Sample
    usage: Usage
    quiet: bool

    @property
    def cpu_ms(self) -> float:
        """CPU time of the service and of PostgreSQL for one unit. Unlike its duration it hardly depends on what else the machine does."""
        return self.usage.cpu_seconds * 1000 / max(1, self.sample.acknowledged)


class Contender(Protocol):
    """Something that is measured.

    Attributes:
        name, processes, connections, unit: what stands in the table.
        key: what the expectations find the line by.
        pids: its service's processes; empty for one that speaks to PostgreSQL itself.
        mib: resident memory of one of its processes, the most seen; 0 if there is none.
    """

    key: str
    name: str
    processes: int
    connections: int
    unit: str
    pids: list[int]
    mib: float

    def prepare(self) -> None:
        """Is called before each run: empty the tables, and warm up."""

    def run(self, seconds: float) -> Sample:
        """Make the timed load."""

    def check(self) -> list[str]:
        """Is called after each run. Returns complaints about answers and stored events, which make the line invalid."""


@dataclass
class Line:
    """One line of the table."""

    section: str
    key: str
    name: str
    processes: int
    connections: int
    unit: str
    runs: list[Run] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    mib: float = 0.0

    @property
    def rates(self) -> list[float]:
        return [run.sample.rate for run in self.runs]

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def p50_ms(self) -> float:
        return statistics.median(run.sample.p50_ms for run in self.runs)

    @property
    def p99_ms(self) -> float:
        return statistics.median(run.sample.p99_ms for run in self.runs)

    @property
    def cpu_ms(self) -> float:
        return statistics.median(run.cpu_ms for run in self.runs)

    @property
    def disturbed(self) -> int:
        """The number of runs that other load on the machine disturbed."""
        return sum(run.usage.disturbed or not run.quiet for run in self.runs)

    @property
    def broker_mib(self) -> float:
        return max(run.sample.broker_mib for run in self.runs)

    def cores(self, part: str) -> float:
        return statistics.median(float(getattr(run.usage, part)) for run in self.runs)


@dataclass(frozen=True)
class Terms:
    """How a contest is run.

    Attributes:
        rounds: timed runs of each contender.
        seconds: length of a timed run.
        warm_up: seconds of load before each, not counted.
        patience: most seconds for the whole benchmark to wait for a quiet machine and to repeat disturbed runs.
    """

    rounds: int
    seconds: float
    warm_up: float
    patience: float


def say(text: str) -> None:
    """Print progress on standard error. Only the report goes to standard output."""
    print(text, file=sys.stderr, flush=True)


def compete(
    section: str, contenders: Sequence[Contender], terms: Terms, patience: Patience, postmaster: int
) -> list[Line]:
    """Measure all contenders, in rotation."""
    lines = [Line(section, it.key, it.name, it.processes, it.connections, it.unit) for it in contenders]
    for turn in range(terms.rounds):
        say(f"{section}: round {turn + 1} of {terms.rounds}")
        for line, contender in zip(lines, contenders, strict=True):
            run = _undisturbed(contender, terms, patience, postmaster, line.complaints)
            line.runs.append(run)
            line.mib = contender.mib
            mark = "" if run.quiet and not run.usage.disturbed else f"  (others: {run.usage.foreign:.2f} cores)"
            say(
                f"  {line.name:36} {line.processes or '':>2} c{line.connections:<4}"
                f"{run.sample.rate:>12,.0f} {line.unit}/s  p50 {run.sample.p50_ms:.2f} ms  CPU {run.cpu_ms:.2f} ms{mark}"
            )
    for line in lines:
        for complaint in line.complaints:
            say(f"  ! INVALID {section}, {line.name}: {complaint}")
    return lines


def _undisturbed(contender: Contender, terms: Terms, patience: Patience, postmaster: int, complaints: list[str]) -> Run:
    for attempt in range(1, ATTEMPTS + 1):
        began = time.monotonic()
        contender.prepare()
        quiet = not terms.patience or patience.wait()
        meter = Meter(contender.pids, postmaster)
        sample = contender.run(terms.seconds)
        run = Run(sample, meter.stop(), quiet)
        complaints += contender.check()
        if attempt == ATTEMPTS or not patience.left or (quiet and not run.usage.disturbed):
            break
        patience.spend(time.monotonic() - began)
        say(f"  . {contender.name}: {run.usage.foreign:.2f} cores were others'; once more")
    return run
