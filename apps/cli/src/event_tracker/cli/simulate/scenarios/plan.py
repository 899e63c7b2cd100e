"""The plan of a scenario: all users and visits by day, before any event is made."""

from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import accumulate, count
from random import Random
from typing import Any, NamedTuple, TypeVar
from zlib import crc32
from zoneinfo import ZoneInfo

from event_tracker.cli.simulate.fake_names import FakeNames
from event_tracker.cli.simulate.scenarios.description import PACES, Life, Scenario, Script

LEAST_DAYS = 14
"""At least one week is complete then, which the longest life needs."""

MAX_DAYS = 366
LATE_PERCENT = 3
"""The percentage of visits that are made while the device is offline, and reported hours later."""

RESENT_PERCENT = 2
"""The percentage of visits that are sent twice as a whole, as by a client that got no answer."""

HOUR = 3_600_000
LATE = (1 * HOUR, 30 * HOUR)
RESENT = (1_000, 2 * HOUR)
OPEN_HOURS = {7: 8, 8: 12, 9: 15, 10: 17, 11: 18, 12: 17, 13: 16, 14: 16, 15: 17, 16: 17, 17: 16, 18: 18, 19: 20}
"""The hours in which visits begin, with weights. All visits end before midnight, and a night ends each session, even if the
clock changes."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Person:
    """A user.

    Attributes:
        anonymous_id: the id that they have before they sign in, if their life says so.
        first_day: the index of the first day among the plan's days.
        traits: the values of all traits, by name.
        everywhere: the properties of all events.
    """

    user_id: str
    anonymous_id: str
    life: Life
    pace: int
    first_day: int
    traits: Mapping[str, str | None]
    everywhere: dict[str, Any]

    def id_at(self, day: int, place: int) -> str:
        """The id of the event of a step of a visit on a day of the plan."""
        known = self.life.signs_in is None or (day - self.first_day, place) >= self.life.signs_in
        return self.user_id if known else self.anonymous_id


class PlannedVisit(NamedTuple):
    """A visit of a person. `start` is in milliseconds since 1970, `late_by` and `resent_after` are in milliseconds."""

    person: Person
    script: Script
    day: int
    start: int
    late_by: int
    resent_after: int | None
    chance: int


@dataclass(frozen=True)
class Plan:
    """All users and visits.

    Attributes:
        dates: the local days, in order.
        midnights: the start of each day, and the end of the last.
        weeks: for each calendar week, the range of indexes of its days.
        people: for each week, the people with their first day in it.
        retained: for each week, how many of its people visit 0, 1, … weeks later.
    """

    scenario: Scenario
    seed: int
    dates: tuple[date, ...]
    midnights: tuple[datetime, ...]
    weeks: tuple[range, ...]
    people: tuple[tuple[Person, ...], ...]
    retained: tuple[tuple[int, ...], ...]
    visits: tuple[PlannedVisit, ...]

    @cached_property
    def everybody(self) -> list[Person]:
        return [person for members in self.people for person in members]


def make_plan(scenario: Scenario, seed: int, users: int, days: int, end: datetime) -> Plan:
    """Make the plan for so many users and local days. Its last day is the one before the day of `end`, which may not be over."""
    zone = ZoneInfo(scenario.zone)
    last = end.astimezone(zone).date()
    dates = tuple(last - timedelta(days=days - number) for number in range(days))
    midnights = tuple(datetime(day.year, day.month, day.day, tzinfo=zone) for day in (*dates, last))
    weeks = _weeks(dates)
    run = f"{scenario.name} {seed} {users} {dates[0]} {last}"
    random = Random(run)  # noqa: S311  # simulated people need no secrets
    people = _people(scenario, FakeNames(seed), f"{crc32(run.encode()):08x}", users, weeks, random)
    retained = tuple(
        (len(members), *_returning(scenario, len(members), weeks[week + 1 :])) for week, members in enumerate(people)
    )
    schedule = _Schedule(midnights, random)
    for members in people:
        for person in members:
            for after, script in person.life.visits.items():
                schedule.add(person, person.first_day + after, script)
    _add_returns(scenario, weeks, people, retained, schedule)
    return Plan(scenario, seed, dates, midnights, weeks, people, retained, schedule.visits())


def mean_events(scenario: Scenario, days: int, end: datetime) -> float:
    """The average number of events of a user."""
    users = 2000
    return sum(len(visit.script.steps) for visit in make_plan(scenario, 0, users, days, end).visits) / users


def deal(percents: Mapping[K, int], number: int) -> dict[K, int]:
    """Divide `number` by percentages, rounded down. The first key also gets the remainder."""
    quotas = {key: number * percent // 100 for key, percent in percents.items()}
    quotas[next(iter(quotas))] += number - sum(quotas.values())
    return quotas


def _weeks(dates: Sequence[date]) -> tuple[range, ...]:
    """The ranges of indexes of each ISO week's days. The first and the last week may be incomplete."""
    mondays = [place for place, day in enumerate(dates) if place == 0 or day.weekday() == 0]
    return tuple(range(start, stop) for start, stop in zip(mondays, [*mondays[1:], len(dates)], strict=True))


def _returning(scenario: Scenario, members: int, later_weeks: Sequence[range]) -> Iterator[int]:
    """Yield how many of the members of a week return in each later one. In a week that has only begun, as many as its days have of
    seven: otherwise all of a week's people would come on its one day."""
    for after, week in enumerate(later_weeks):
        percent = scenario.curve[min(after, len(scenario.curve) - 1)]
        yield members * percent * len(week) // 700


def _people(
    scenario: Scenario, names: FakeNames, run: str, users: int, weeks: Sequence[range], random: Random
) -> tuple[tuple[Person, ...], ...]:
    """Make the people of each week. Each life's users are spread evenly over the days on which it can start and end in one week."""
    every_trait = (*scenario.everywhere, scenario.on_arrival, *scenario.sometimes)
    dealt = {trait.name: _shuffle(deal(trait.percents, users), random) for trait in every_trait}
    members: list[list[Person]] = [[] for _ in weeks]
    numbers = count()
    for life, quota in deal({life: life.percent for life in scenario.lives}, users).items():
        first_days = [day for week in weeks for day in week[: max(0, len(week) - life.span)]]
        for place in range(quota):
            number = next(numbers)
            traits = {name: values[number] for name, values in dealt.items()}
            everywhere: dict[str, Any] = {}
            for trait in scenario.everywhere:
                everywhere |= trait.properties(traits[trait.name])
            if scenario.site:
                everywhere |= scenario.site.of_person(traits, number)
            if scenario.has_bots:
                everywhere["bot"] = life.bot
            first_day = first_days[place * len(first_days) // quota]
            user_id = f"{names.of(number)}-{run}-{number}"
            person = Person(
                user_id, f"visitor-{run}-{number}", life, PACES[number % len(PACES)], first_day, traits, everywhere
            )
            members[_week_of(weeks, first_day)].append(person)
    return tuple(map(tuple, members))


def _week_of(weeks: Sequence[range], day: int) -> int:
    return bisect_right([week.start for week in weeks], day) - 1


def _shuffle(quotas: Mapping[K, int], random: Random) -> list[K]:
    values = [value for value, quota in quotas.items() for _ in range(quota)]
    random.shuffle(values)
    return values


def _add_returns(
    scenario: Scenario,
    weeks: Sequence[range],
    people: Sequence[Sequence[Person]],
    retained: Sequence[Sequence[int]],
    schedule: "_Schedule",
) -> None:
    """Add visits of people who return: as many of each week in each later week as the curve says, not always the same people."""
    for week, members in enumerate(people):
        turn = 0
        for later, quota in enumerate(retained[week][1:], start=1):
            days = weeks[week + later]
            for place in range(quota):
                person = members[(place + later * 37) % len(members)]
                wanted = scenario.return_days[place % len(scenario.return_days)]
                for day in schedule.random.sample(days, min(wanted, len(days))):
                    schedule.add(person, day, person.life.returns[turn % len(person.life.returns)])
                    turn += 1


class _Schedule:
    """Collects visits and gives each a time. At the end, it makes some of them late, and some be sent twice."""

    def __init__(self, midnights: Sequence[datetime], random: Random) -> None:
        self.random = random
        self._midnights = [int(midnight.timestamp() * 1000) for midnight in midnights]
        self._hours, self._busy = list(OPEN_HOURS), list(accumulate(OPEN_HOURS.values()))
        self._found: list[tuple[int, int, Person, Script, int]] = []

    def add(self, person: Person, day: int, script: Script) -> None:
        (hour,) = self.random.choices(self._hours, cum_weights=self._busy)
        start = self._midnights[day] + hour * HOUR + int(self.random.random() * HOUR)
        self._found.append((start, len(self._found), person, script, day))

    def visits(self) -> tuple[PlannedVisit, ...]:
        self._found.sort()
        late = _pick(len(self._found), LATE_PERCENT, self.random)
        resent = _pick(len(self._found), RESENT_PERCENT, self.random)
        return tuple(
            PlannedVisit(
                person,
                script,
                day,
                start,
                self.random.randrange(*LATE) if number in late else 0,
                self.random.randrange(*RESENT) if number in resent else None,
                self.random.getrandbits(64),
            )
            for number, (start, _, person, script, day) in enumerate(self._found)
        )


def _pick(number: int, percent: int, random: Random) -> set[int]:
    return set(random.sample(range(number), number * percent // 100))
