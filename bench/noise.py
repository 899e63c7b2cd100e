"""Waits until the machine is quiet, and measures how much of it a timed run and other processes use."""

import os
import time
from dataclasses import dataclass

import psutil

CORES = os.cpu_count() or 1

QUIET_CORES = 0.10
"""A machine is quiet when less than this is busy, all processes together."""

FOREIGN_CORES = 0.12
"""A run is disturbed when processes that aren't the benchmark's used more than this."""

WAIT_SECONDS = 60

KTHREADD = 2
"""The parent of the kernel's threads, which mostly work for the run."""


@dataclass(frozen=True)
class Process:
    """One process at one moment; `cpu` is in seconds and includes the children that it has waited for."""

    parent: int
    cpu: float


def _snapshot() -> dict[int, Process]:
    found = {}
    for process in psutil.process_iter(["ppid", "cpu_times"]):
        times, parent = process.info["cpu_times"], process.info["ppid"]
        if times is not None and parent is not None and KTHREADD not in (process.pid, parent):
            # On Linux: user, system, children_user, children_system; then iowait, which is idleness.
            found[process.pid] = Process(parent, sum(times[:4]))
    return found


def _tree(processes: dict[int, Process], roots: list[int]) -> set[int]:
    """The processes under `roots`, and these."""
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid in processes and pid not in seen:
            seen.add(pid)
            todo += children.get(pid, [])
    return seen


def _cpu(processes: dict[int, Process], pids: set[int]) -> float:
    return sum(processes[pid].cpu for pid in pids)


class Patience:
    """Waits for a quiet machine, with a limit for the whole benchmark and one, WAIT_SECONDS, before each run."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def spend(self, seconds: float) -> None:
        self.left = max(0.0, self.left - seconds)

    def wait(self) -> bool:
        """Return True once the machine was quiet for two seconds, False if it isn't in time."""
        started = time.monotonic()
        good = 0
        while good < 2:
            busy = psutil.cpu_percent(interval=1.0) / 100 * CORES
            good = good + 1 if busy < QUIET_CORES else 0
            waited = time.monotonic() - started
            if not good and waited >= min(WAIT_SECONDS, self.left):
                break
        # The two seconds before every run don't count.
        self.spend(max(0.0, waited - 2))
        return good == 2


@dataclass(frozen=True)
class Usage:
    """Cores used on average during a run of so many seconds."""

    service: float
    postgres: float
    client: float
    foreign: float
    seconds: float

    @property
    def cpu_seconds(self) -> float:
        """User and system time of the service and of PostgreSQL."""
        return (self.service + self.postgres) * self.seconds

    @property
    def disturbed(self) -> bool:
        """Whether other processes used so much of the machine that the run isn't reliable."""
        return self.foreign > FOREIGN_CORES


class Meter:
    """Measures from its creation until `stop`."""

    def __init__(self, service: list[int], postmaster: int) -> None:
        self.service, self.postmaster = service, postmaster
        self.started, self.before = time.monotonic(), _snapshot()

    def stop(self) -> Usage:
        """What was used per second since the start."""
        seconds = time.monotonic() - self.started
        after = _snapshot()

        def used(roots: list[int]) -> float:
            # Processes aren't all read at the same time: one that ends meanwhile may be missed, and then this is below 0.
            return max(0.0, _cpu(after, _tree(after, roots)) - _cpu(self.before, _tree(self.before, roots)))

        own, service, postgres = used([os.getpid(), self.postmaster]), used(self.service), used([self.postmaster])
        everybody = _cpu(after, set(after)) - _cpu(self.before, set(self.before))
        return Usage(
            service=service / seconds,
            postgres=postgres / seconds,
            # Our other processes: wrk, or the programs that write directly.
            client=max(0.0, own - service - postgres) / seconds,
            foreign=max(0.0, everybody - own) / seconds,
            seconds=seconds,
        )


def resident_mib(pids: list[int]) -> float:
    """Resident memory of the largest of the services `pids`, arbiter and worker added up (pages they share count twice)."""
    sizes = []
    for pid in pids:
        try:
            root = psutil.Process(pid)
            sizes.append(sum(process.memory_info().rss for process in [root, *root.children(recursive=True)]))
        except psutil.NoSuchProcess:
            continue
    return max(sizes, default=0) / 2**20
