"""Sums over a plan: how often each script is used, and the numbers that follow from it.

Nothing is computed from events: a script itself says which of its steps make a session and which reach a goal.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

from event_tracker.cli.simulate.scenarios.description import Script, Step
from event_tracker.cli.simulate.scenarios.plan import Plan, deal

KeyOf = Callable[[Step], str | None]


def key_of(by: str) -> KeyOf:
    """A function for the key of a step: its event type, or for `property:NAME` the value of this property in the script."""
    if by == "event_type":
        return lambda step: step.event_type
    name = by.removeprefix("property:")
    return lambda step: step.properties.get(name)


class Cell(NamedTuple):
    """The key of a group of equal visits."""

    day: int
    script: Script
    pace: int
    bot: bool


class Tally:
    """The sums over a plan.

    Args:
        bots: whether bots count too.
    """

    def __init__(self, plan: Plan, *, bots: bool = True) -> None:
        self.plan = plan
        self.bots = bots
        self.visits = [visit for visit in plan.visits if bots or not visit.person.life.bot]
        self.cells = Counter(
            Cell(visit.day, visit.script, visit.person.pace, visit.person.life.bot) for visit in self.visits
        )

    @cached_property
    def events(self) -> int:
        return sum(times * len(cell.script.steps) for cell, times in self.cells.items())

    @cached_property
    def users(self) -> int:
        return sum(self._quotas.values())

    @cached_property
    def _quotas(self) -> dict[int, int]:
        """By the last step of the funnel that users complete, their number."""
        lives = self.plan.scenario.lives
        dealt = deal({life: life.percent for life in lives}, len(self.plan.everybody))
        quotas: Counter[int] = Counter()
        for life, quota in dealt.items():
            if self.bots or not life.bot:
                quotas[life.reaches] += quota
        return quotas

    @cached_property
    def signed_in(self) -> int:
        """The number of users who begin with another id, before they sign in."""
        return sum(person.life.signs_in is not None for person in self.plan.everybody)

    def reaching(self, goal: int) -> int:
        """The number of users who complete this step of the funnel."""
        return sum(quota for reached, quota in self._quotas.items() if reached >= goal)

    @cached_property
    def waits(self) -> dict[int, list[int]]:
        """For each step of the funnel, the milliseconds from the previous step, of each user who completes it."""
        waits: dict[int, list[int]] = defaultdict(list)
        latest: dict[str, dict[int, int]] = defaultdict(dict)
        for visit in self.visits:
            person = visit.person
            if person.life.visits.get(visit.day - person.first_day) is not visit.script:
                continue  # users who return don't continue the funnel
            marks = latest[person.user_id]
            for step, after in zip(visit.script.steps, visit.script.moments[person.pace], strict=True):
                if step.goal is None:
                    continue
                if step.goal > 1 and step.goal not in marks:
                    waits[step.goal].append(visit.start + after - marks[step.goal - 1])
                marks[step.goal] = visit.start + after
        return waits

    def by_day(self, by: KeyOf) -> dict[str, Counter[int]]:
        """The number of events of each key on each day. Steps without a key don't count."""
        found: dict[str, Counter[int]] = defaultdict(Counter)
        for cell, times in self.cells.items():
            for step in cell.script.steps:
                if (key := by(step)) is not None:
                    found[key][cell.day] += times
        return found

    @cached_property
    def active(self) -> Counter[int]:
        """The number of users on each day. Nobody visits twice on one day."""
        return Counter(visit.day for visit in self.visits)

    def sessions(self) -> Iterator[tuple[Cell, tuple[Step, ...], int, int]]:
        """Yield groups of equal sessions: their group of visits, steps, duration in milliseconds, and number."""
        for cell, times in self.cells.items():
            moments = cell.script.moments[cell.pace]
            for places in cell.script.sessions:
                steps = cell.script.steps[places.start : places.stop]
                yield cell, steps, moments[places.stop - 1] - moments[places.start], times

    def trait(self, name: str) -> Counter[str]:
        """The number of events with each value of a trait."""
        scenario = self.plan.scenario
        found: Counter[str | None] = Counter()
        if name == scenario.on_arrival.name:
            people = (person for person in self.plan.everybody if self.bots or not person.life.bot)
            found.update(person.traits[name] for person in people)
        else:
            everywhere = name in {trait.name for trait in scenario.everywhere}
            for visit in self.visits:
                steps = visit.script.steps
                times = len(steps) if everywhere else sum(name in step.traits for step in steps)
                found[visit.person.traits[name]] += times
        return Counter({value: times for value, times in found.items() if value is not None and times})
