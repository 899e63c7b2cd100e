"""A run: set up, break things while clients send and ask, let it become quiet, check everything."""

import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from definitions.reference.events import Event
from servers import Postgres, launching
from waiting import wait_until

from event_tracker.core.postgres.migrate import apply_migrations

from . import eras, stable
from .asking import Asker
from .check_answers import Examiner
from .check_rows import check_rows, stored_events
from .check_tables import check_blocks, check_counts, check_deleted, check_forgotten, check_users
from .erased_users import ErasedUsers
from .exports import Exporter
from .faults import Chaos
from .ledger import Ledger
from .linking import check_links
from .plan import Plan
from .readers import Reader, answered_questions
from .report import Report
from .sending import Sender
from .streams import Streams
from .system import DATABASE, ORDERS_SOURCE, System
from .upkeep import LENIENT, Replays, Upkeep
from .workload import BATCH, REMEMBERED, Client, Filler, Months

MIGRATIONS = Path(__file__).parents[2] / "infra" / "migrations"
PROGRESS_SECONDS = 5
QUIET_SECONDS = 120
"""How long what is under way may take to end, once nothing is begun any more."""

UPKEEP_SHARE = 0.8
"""Of the time; after that nothing repairs what erasures under load may leave wrong, so that it is seen."""

BUSY = "select count(*) from pg_stat_activity where datname = 'events' and pid <> pg_backend_pid() and state <> 'idle'"
WAITING_REPLAYS = "select count(*) from rejections where replay_requested_at is not null"


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A server for this run, with a migrated database."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        try:
            server.execute(f"create database {DATABASE}")
            apply_migrations(server.url(DATABASE), MIGRATIONS)
            yield server
        finally:
            server.start()
            server.stop("immediate")


def run(plan: Plan, report: Report) -> None:
    """One run, on a system of its own; the report has what it found."""
    with (
        own_postgres() as postgres,
        tempfile.TemporaryDirectory() as logs,
        launching(Path(logs), forked=False) as start,
        closing(System(postgres, start, plan.collectors)) as system,
    ):
        one = Run(plan, report, system)
        one.prepare()
        one.break_things()
        one.check()


class Run:
    """The parts of one run, on a system that is there."""

    def __init__(self, plan: Plan, report: Report, system: System) -> None:
        self.plan, self.report, self.system = plan, report, system
        self.ledger = Ledger()
        now = datetime.now(eras.UTC)
        # As they will arrive, source by source: events of one moment are answered in that order.
        self.events = sorted(stable.stable_events(plan.random("stable events"), now), key=lambda event: event.source)
        questions = answered_questions(plan.random("questions"), self.events)
        self.readers = [
            Reader(self._asker(name), report, plan.random(name), self.events, questions)
            for name in ("reader a", "reader b")
        ]
        self.calm_reader = Reader(
            self._asker("calm", insists=True), report, plan.random("calm"), self.events, questions
        )
        self.streams = Streams(system, self.ledger, report, plan.random("streams"))
        months = eras.stable_months(now)
        plan.random("months").shuffle(months)
        if plan.drops_months:
            for number, month in enumerate(eras.EXPIRED_MONTHS[: len(months) // 3]):
                months.insert(3 * number + 1, month)
        self.months = Months(months if plan.moves_months else [])

    def prepare(self) -> None:
        """Store the stable events, and see that everything is answered rightly before anything is broken."""
        sender = self._sender("stable")
        by_source: dict[str, list] = {}
        for event in self.events:
            by_source.setdefault(event.source, []).append(event)
        for own in by_source.values():
            for begin in range(0, len(own), BATCH):
                sender.send(own[begin : begin + BATCH])
        self.calm_reader.all_once()
        self.report.say(
            f"prepared: {len(self.events)} events that stay as they are, {self.report.done['answers checked']} answers right"
        )

    def break_things(self) -> None:
        """Everything at once, until the time is over; then everything is repaired and ends what it has begun."""
        stopping, upkeep_stopping = threading.Event(), threading.Event()
        threads = [self.report.thread(name, lambda work=work: work(stopping)) for name, work in self._parts()]
        upkeep = Upkeep(self.system, self.report, self.plan.random("upkeep"), self.plan.drops_months)
        threads.append(self.report.thread("upkeep", lambda: upkeep.run(upkeep_stopping)))
        for thread in threads:
            thread.start()
        end = time.monotonic() + self.plan.seconds
        while (left := end - time.monotonic()) > 0:
            stopping.wait(min(left, PROGRESS_SECONDS))
            self.report.say(
                f"{max(0, left):4.0f} s left: {self.ledger.acknowledged:,} events acknowledged; {self._progress()}"
            )
            if left < (1 - UPKEEP_SHARE) * self.plan.seconds:
                upkeep_stopping.set()
        stopping.set()
        upkeep_stopping.set()
        for thread in threads:
            thread.join(QUIET_SECONDS)
            if thread.is_alive():
                self.report.find("the run itself broke", f"{thread.name} doesn't end")

    def check(self) -> None:
        """When all is quiet: rows, counts, users; after maintenance blocks and answers as well."""
        self._wait_quiet()
        self.streams.check()
        self.streams.close()
        self._replay_all()
        with self.system.owner() as owner:
            rows = stored_events(owner)
            self.report.say(f"quiet: {len(rows):,} rows")
            check_rows(rows, self.ledger, self.report)
            check_counts(owner, rows, self.ledger, self.report)
            check_users(owner, rows, self.report, "before maintenance")
            check_links(owner, rows, self.report)
            check_forgotten(owner, rows, self.ledger, self.report)
        upkeep = Upkeep(self.system, self.report, self.plan.random("last upkeep"), self.plan.drops_months)
        if not upkeep.once(drops=True):
            self.report.find("tracker maintain fails", "when all is quiet")
        with self.system.owner() as owner:
            rows = stored_events(owner)
            check_rows(rows, self.ledger, self.report)
            check_counts(owner, rows, self.ledger, self.report)
            check_users(owner, rows, self.report, "after maintenance")
            check_blocks(owner, rows, self.report)
            check_deleted(rows, self.report)
        self._check_answers(rows)
        self._check_log()

    def _check_answers(self, rows: list) -> None:
        self.report.say("asking at the end")
        examiner = Examiner(
            self._asker("end", insists=True), self.report, self.plan.random("questions at the end"), rows
        )
        examiner.ask(self.plan.questions)
        examiner.list_users()
        self.calm_reader.all_once()

    def _check_log(self) -> None:
        """Deadlocks cost no event, but locks are taken in an order that rules them out."""
        log = self.system.log_of_postgres()
        if number := log.count("deadlock detected"):
            where = log.index("deadlock detected")
            self.report.find("PostgreSQL found deadlocks", f"{number}; the first: {log[where : where + 1500]}")

    def _parts(self) -> Iterator[tuple[str, Callable[[threading.Event], None]]]:
        plan, report = self.plan, self.report
        recent: deque[Event] = deque(maxlen=REMEMBERED)
        for number in range(plan.clients):
            name = f"client-{number}"
            random, months = plan.random(name), self.months
            client = Client(self._sender(name), random, months, recent, sends_expired=plan.drops_months)
            yield name, client.run_single if plan.moves_months and not number else client.run
        for name in ("erased-a", "erased-b"):
            random = plan.random(name)
            erased = ErasedUsers(name, self.system, self.ledger, report, random, self.months, plan)
            yield name, erased.run
        yield "filler", Filler(self._sender("filler"), plan.random("fill"), self.months, report).run
        for number, reader in enumerate(self.readers):
            yield f"reader-{number}", reader.run
        yield "exporter", Exporter(self._asker("exporter"), self.ledger, report, plan.random("exports")).run
        for number, query in enumerate(self.system.queries):
            yield f"stream-{number}", lambda stopping, query=query: self.streams.run(query, stopping)
        yield "replays", self._replays("replays").run
        yield "chaos", Chaos(self.system, report, plan.random("chaos"), plan.faults).run

    def _replay_all(self) -> None:
        """What was refused of orders is taken now, and so stored."""
        replays = self._replays("last replay")
        replays.hold_to(LENIENT)
        replays.replay()
        with self.system.owner() as owner:
            wait_until(lambda: owner.execute(WAITING_REPLAYS).fetchall() == [(0,)], "refused orders are replayed", 120)
            left = owner.execute("select detail from rejections where source = %s", [ORDERS_SOURCE]).fetchall()
        if left:
            self.report.find("refused orders weren't stored when they were replayed", f"{len(left)}: {left[:3]}")

    def _wait_quiet(self) -> None:
        """Until PostgreSQL does nothing any more: what a killed process had sent it may go on."""
        with self.system.owner() as owner:
            wait_until(lambda: owner.execute(BUSY).fetchall() == [(0,)], "PostgreSQL is idle", QUIET_SECONDS)

    def _progress(self) -> str:
        names = (
            "answers checked",
            "maintain done",
            "months moved",
            "erasures under load",
            "erased users",
            "streams opened",
        )
        faults = sum(number for name, number in self.report.done.items() if name.startswith("faults"))
        return ", ".join([f"faults {faults}", *(f"{name} {self.report.done[name]}" for name in names)])

    def _sender(self, name: str) -> Sender:
        return Sender(self.system, self.ledger, self.report, self.plan.random(f"sender {name}"))

    def _asker(self, name: str, *, insists: bool = False) -> Asker:
        return Asker(self.system, self.report, self.plan.random(f"asker {name}"), insists=insists)

    def _replays(self, name: str) -> Replays:
        return Replays(self._asker(name), self.report, self.plan.random(name))
