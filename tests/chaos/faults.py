"""What is broken on purpose, one thing after the other."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from random import Random

import psycopg

from .report import Report
from .system import Restartable, System

BACKENDS = "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() and datname = 'events'"
MAX_SECONDS_STOPPED = 5.0
MAX_SECONDS_HELD = 2.0
MAX_SECONDS_DOWN = 2.0


class Chaos:
    """Does one thing after the other, and mends it: when `run` returns, everything is there again.

    Args:
        names: of FAULTS, the ones to choose from.
    """

    def __init__(self, system: System, report: Report, random: Random, names: tuple[str, ...]) -> None:
        self.system, self.report, self.random = system, report, random
        self._names = names
        self._pause = threading.Event()

    def run(self, stopping: threading.Event) -> None:
        weights = [0.25 if name in BREAK_EVERYTHING else 1 for name in self._names]
        while not stopping.wait(self.random.uniform(0.3, 3)):
            (name,) = self.random.choices(self._names, weights)
            FAULTS[name](self)
            self.report.count(f"faults: {name}")

    def wait(self, seconds: float) -> None:
        self._pause.wait(self.random.random() * seconds)

    def backend(self) -> int | None:
        """The process of a connection of ours, if PostgreSQL is there."""
        with suppress(psycopg.Error), self.system.owner() as owner:
            pids = [pid for (pid,) in owner.execute(BACKENDS)]
            return self.random.choice(pids) if pids else None
        return None


def kill(services: str) -> Callable[[Chaos], None]:
    """kill -9 of one of them, with its worker."""

    def act(chaos: Chaos) -> None:
        victim = _one_of(chaos, services)
        victim.service.kill()
        chaos.wait(1)
        victim.restart()

    return act


def end(services: str) -> Callable[[Chaos], None]:
    """SIGTERM to one of them."""

    def act(chaos: Chaos) -> None:
        victim = _one_of(chaos, services)
        code = victim.service.stop(timeout=120)
        if code != 0:
            chaos.report.find("a service didn't end well", f"{code}: {victim.service.last_words()}")
        victim.restart()

    return act


def stop(services: str) -> Callable[[Chaos], None]:
    """SIGSTOP, and SIGCONT after a while."""

    def act(chaos: Chaos) -> None:
        with _one_of(chaos, services).service.silent():
            chaos.wait(MAX_SECONDS_STOPPED)

    return act


def signal_backend(sent: int) -> Callable[[Chaos], None]:
    """Kill one of PostgreSQL's processes, after which all start again, or stop it for a while."""

    def act(chaos: Chaos) -> None:
        pid = chaos.backend()
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, sent)
            if sent == signal.SIGSTOP:
                chaos.wait(MAX_SECONDS_HELD)
                os.kill(pid, signal.SIGCONT)

    return act


def terminate_backends(chaos: Chaos) -> None:
    """Every connection is ended by PostgreSQL itself."""
    with suppress(psycopg.Error), chaos.system.owner() as owner:
        owner.execute(f"select pg_terminate_backend(pid) from ({BACKENDS}) as ours")


def cut(chaos: Chaos) -> None:
    """Break a collector's connections."""
    chaos.random.choice(chaos.system.proxies).cut()


def lose_answer(chaos: Chaos) -> None:
    """PostgreSQL's answer to a collector gets lost: was it committed?"""
    chaos.random.choice(chaos.system.proxies).lose_answer()


def hold(chaos: Chaos) -> None:
    """Nothing passes between a collector and PostgreSQL for a while."""
    proxy = chaos.random.choice(chaos.system.proxies)
    proxy.hold()
    chaos.wait(MAX_SECONDS_HELD)
    proxy.release()


def restart_postgres(mode: str) -> Callable[[Chaos], None]:
    """Stop it, and start it again after a while."""

    def act(chaos: Chaos) -> None:
        chaos.system.postgres.stop(mode)
        chaos.wait(MAX_SECONDS_DOWN)
        chaos.system.postgres.start()

    return act


def make_read_only(chaos: Chaos) -> None:
    """As a server is for a while that another one is to take the place of."""
    with suppress(psycopg.Error), chaos.system.owner() as owner:
        owner.execute("set default_transaction_read_only = off")
        try:
            owner.execute("alter system set default_transaction_read_only = on")
            owner.execute("select pg_reload_conf()")
            chaos.wait(MAX_SECONDS_HELD)
        finally:
            owner.execute("alter system reset default_transaction_read_only")
            owner.execute("select pg_reload_conf()")


def _one_of(chaos: Chaos, services: str) -> Restartable:
    return chaos.random.choice(chaos.system.collectors if services == "collector" else chaos.system.queries)


FAULTS: dict[str, Callable[[Chaos], None]] = {
    "collector killed": kill("collector"),
    "collector ended": end("collector"),
    "collector stopped": stop("collector"),
    "query killed": kill("query"),
    "query stopped": stop("query"),
    "backend killed": signal_backend(signal.SIGKILL),
    "backend stopped": signal_backend(signal.SIGSTOP),
    "backends terminated": terminate_backends,
    "connections cut": cut,
    "answer lost": lose_answer,
    "connections held": hold,
    "PostgreSQL restarted": restart_postgres("fast"),
    "PostgreSQL crashed": restart_postgres("immediate"),
    "PostgreSQL read-only": make_read_only,
}

BREAK_EVERYTHING = ("backend killed", "backends terminated", "PostgreSQL restarted", "PostgreSQL crashed")
"""Rarer, or nothing that takes a while would ever be done."""

GENTLE_FAULTS = (
    "collector killed",
    "collector stopped",
    "query killed",
    "backends terminated",
    "connections cut",
    "answer lost",
)
"""Of those, the ones after which everything is back soon."""
