"""Expectations, as ratios within one run, and whether they are met."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.contest import Line
from bench.sections.analytics import QUESTIONS, SUGGESTION_MS, SUGGESTIONS
from bench.sections.batches import CONNECTIONS
from bench.sections.kafka import BROKERS
from bench.sections.persons import QUESTIONS as OF_USERS
from bench.sections.protocols import WIRES
from bench.sections.reads import human
from bench.sections.sources import RESTRICTIONS, names

STORERS_RATE = 15_000
"""Of two storers, events a second, on a quiet machine with two cores."""

COLLECTOR_MIB, COLLECTOR_TO_KAFKA_MIB = 120, 150
STORER_MIB, BROKER_MIB = 640, 2048
"""The containers of k8s/components/kafka."""


@dataclass(frozen=True)
class Expectation:
    """A ratio and its bound.

    Attributes:
        rounds: the same ratio in each round: how much it moves.
        at_most: whether the target is an upper bound.
        judged: False for one that is told for completeness.
    """

    what: str
    ratio: float
    rounds: tuple[float, ...]
    target: float
    at_most: bool = False
    unit: str = ""
    judged: bool = True

    @property
    def met(self) -> bool:
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


class Measured:
    """The lines by key. Without its lines an expectation is left out."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = {line.key: line for line in lines if line.runs and not line.complaints}

    def get(self, *keys: str) -> Line | None:
        """The fastest of the lines with these keys; None if one is missing."""
        found = [self.lines[key] for key in keys if key in self.lines]
        return max(found, key=lambda line: line.rate) if len(found) == len(keys) else None


def rates(line: Line) -> list[float]:
    return line.rates


def times(line: Line) -> list[float]:
    return [run.sample.p50_ms for run in line.runs]


def cpu_times(line: Line) -> list[float]:
    return [run.cpu_ms for run in line.runs]


def ratio(
    what: str,
    ours: Line | None,
    others: list[Line | None],
    target: float,
    values: Callable[[Line], list[float]],
    at_most: bool = False,
    judged: bool = True,
) -> list[Expectation]:
    """The ratio of our value to the sum of the others; empty if one of them wasn't measured."""
    there = [line for line in others if line]
    if not ours or len(there) < len(others):
        return []
    whole = median(values(ours)) / sum(median(values(line)) for line in there)
    turns = zip(values(ours), *map(values, there), strict=True)
    return [Expectation(what, whole, tuple(turn[0] / sum(turn[1:]) for turn in turns), target, at_most, judged=judged)]


def expect(lines: list[Line], sizes: tuple[int, int]) -> list[Expectation]:
    """All expectations for which there are lines."""
    measured = Measured(lines)
    parts = [
        _ingest(measured),
        _protocols(measured),
        _kafka(measured),
        _reads(measured, *sizes),
        _analytics(measured),
        _persons(measured),
        _sources(measured),
    ]
    return [one for part in [*parts, _beside(measured), _memory(lines)] for one in part]


def _ingest(measured: Measured) -> list[Expectation]:
    ours = measured.get("single/ours/2/128")
    express = measured.get("single/express/1/128", "single/express/2/128")
    found = [
        *ratio("Single events, 128 connections, 2 processes: of the no-op's rate",
               ours, [measured.get("single/noop/2/128")], 0.8, rates),
        *ratio("Single events, 128 connections, 2 processes: of the peer's best rate (1 or 2 processes)",
               ours, [express], 1.5, rates),
        *ratio("One event at a time: of the time of an INSERT and a no-op request",
               measured.get("single/ours/1/1"), [measured.get("single/insert"), measured.get("single/noop/1/1")],
               2.0, times, at_most=True),
    ]  # fmt: skip
    for processes, many in CONNECTIONS.items():
        best = measured.get(*(f"batch/ours/{processes}/{connections}" for connections in many))
        what = f"Batches, {processes} process{'es' * (processes > 1)}: of COPY's rate with as many connections"
        found += ratio(what, best, [measured.get(f"batch/copy/{processes}")], 0.5, rates)
    return found


def _protocols(measured: Measured) -> list[Expectation]:
    return [
        one
        for name, wire in WIRES.items()
        if name != "events"
        for one in ratio(
            f"Batches of 500 to {wire.path}: of the rate of POST /events",
            measured.get(f"protocol/{name}"), [measured.get("protocol/events")], 0.6, rates,
        )
    ]  # fmt: skip


def _kafka(measured: Measured) -> list[Expectation]:
    found = []
    for number in BROKERS:
        for kind, what, target in (("single", "Single events", 1.0), ("batch", "Batches", 1.5)):
            found += ratio(
                f"{what} to Kafka, {number} broker{'s' * (number > 1)}: of the rate without it",
                measured.get(f"kafka/{number}/{kind}/kafka"), [measured.get(f"kafka/{number}/{kind}/direct")],
                target, rates, judged=number == min(BROKERS),  # several brokers have a machine each
            )  # fmt: skip
    if storers := measured.get("kafka/storers/2"):
        what = "Two storers, a backlog: events a second"
        found.append(Expectation(what, storers.rate, tuple(storers.rates), STORERS_RATE, unit=" events/s"))
    return found


def _reads(measured: Measured, small: int, large: int) -> list[Expectation]:
    def best(what: str, kind: str, events: int) -> Line | None:
        return measured.get(f"{what}/{kind}/1/{events}", f"{what}/{kind}/2/{events}")

    def grown(what: str, of: str, target: float, *, judged: bool = True) -> list[Expectation]:
        return [
            grown
            for processes in (1, 2)
            for grown in ratio(
                f"{of}, {processes} process{'es' * (processes > 1)}: time at {human(large)} events of that at {human(small)}",
                measured.get(f"{what}/ours/{processes}/{large}"),
                [measured.get(f"{what}/ours/{processes}/{small}")],
                target,
                times,
                at_most=True,
                judged=judged,
            )
        ]

    return [
        *ratio(f"Newest 50, {human(large)} events: of the peer's best rate",
               best("newest", "ours", large), [best("newest", "express", large)], 1.2, rates),
        *grown("newest-full", "Newest 50 of the busiest users", 1.3),
        *grown("newest", "Newest 50, any user (fuller pages in the larger table)", 1.3, judged=False),
        *ratio(f"Top types, {human(large)} events: of the peer's best rate",
               best("top", "ours", large), [best("top", "express", large)], 100, rates),
        *grown("top", "Top types", 1.5),
    ]  # fmt: skip


def _analytics(measured: Measured) -> list[Expectation]:
    found = ratio(
        "What keeping users costs the insert: of its rate without",
        measured.get("rollup/store"), [measured.get("rollup/store-no-users")], 0.85, rates,
    )  # fmt: skip
    for question in QUESTIONS:
        month, everything = measured.get(f"ask/{question.key}/ours"), measured.get(f"ask-all/{question.key}/ours")
        found += _most_ms(f"Last 30 days, {question.key}", month, question.most_ms)
        found += _most_ms(f"13 months, {question.key}", everything, question.most_ms_of_all)
        found += ratio(
            f"Last 30 days, {question.key}: of plain SQL's time",
            month, [measured.get(f"ask/{question.key}/sql")], 1, times, at_most=True,
        )  # fmt: skip
    for name in SUGGESTIONS:
        found += _most_ms(f"Suggestions, {name}", measured.get(f"ask/{name}/ours"), SUGGESTION_MS)
    return found


def _most_ms(what: str, line: Line | None, most: float) -> list[Expectation]:
    """Bounds of durations, which hold for a quiet machine and 10 million events."""
    if not line:
        return []
    return [Expectation(f"{what}: milliseconds", line.p50_ms, tuple(times(line)), most, at_most=True, unit=" ms")]


def _persons(measured: Measured) -> list[Expectation]:
    return [
        one
        for question in OF_USERS
        for one in ratio(
            f"{question.key}, persons: of the CPU time for ids",
            measured.get(f"persons/{question.key}/linked/ours"), [measured.get(f"persons/{question.key}/raw/ours")],
            1.3, cpu_times, at_most=True,
        )
    ]  # fmt: skip


def _beside(measured: Measured) -> list[Expectation]:
    names = [key.removeprefix("beside/").removesuffix("/alone") for key in measured.lines if key.endswith("/alone")]
    return [
        one
        for name in names
        for one in ratio(
            f"Single events beside the dearest questions, {name}: of the rate alone",
            measured.get(f"beside/{name}/asked"), [measured.get(f"beside/{name}/alone")], 0.9, rates, judged=name == "ours",
        )
    ]  # fmt: skip


def _sources(measured: Measured) -> list[Expectation]:
    """Reported without a bound: the cost of a restriction depends on the number of other events."""
    return [
        one
        for name in names()
        for label in list(RESTRICTIONS)[1:]
        for one in ratio(
            f"{name}: time for {label} sources of that for all",
            measured.get(f"sources/{name}/{label}"), [measured.get(f"sources/{name}/all")],
            1, times, at_most=True, judged=False,
        )
    ]  # fmt: skip


def _memory(lines: list[Line]) -> list[Expectation]:
    def most(what: str, starts: tuple[str, ...], ends: str, target: float) -> list[Expectation]:
        sizes = [line.mib for line in lines if line.key.startswith(starts) and line.key.endswith(ends) and line.mib]
        return [Expectation(what, max(sizes), (), target, at_most=True, unit=" MiB")] if sizes else []

    brokers = [line.broker_mib for line in lines if line.runs and line.broker_mib]
    return [
        *most("Collector, resident under load", ("single/ours", "batch/ours"), "", COLLECTOR_MIB),
        *most("Collector to Kafka, resident under load", ("kafka/",), "/kafka", COLLECTOR_TO_KAFKA_MIB),
        *most("Storer, resident under load", ("kafka/storers/",), "", STORER_MIB),
        *(
            [Expectation("Broker, resident under load", max(brokers), (), BROKER_MIB, at_most=True, unit=" MiB")]
            if brokers
            else []
        ),
    ]
