"""The words a scenario is described in.

A scenario is a cast of lives. So many of a hundred users live each of them; what a user does, and when, follows from it.
Because quotas are dealt out, not diced, every number about the traffic is known before the first event exists.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

BREAK_SECONDS = 45 * 60
"""Between two parts of a visit. Longer than the 30 minutes that end a session without an id, and not by a hair."""

LONGEST_PAUSE_SECONDS = 1500
"""Within a part: even at the slowest pace shorter than those 30 minutes."""

PACES = (60, 80, 100, 110, 115)
"""How many hundredths of the usual time users take between two steps; as many users have each."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event.

    Attributes:
        after: seconds since the step before, at the usual pace.
        traits: those of the user that its properties tell.
        goal: it completes this step of the scenario's funnel, counted from 1.
    """

    event_type: str
    after: float = 20.0
    properties: Mapping[str, Any] = field(default_factory=dict)
    traits: tuple[str, ...] = ()
    goal: int | None = None


@dataclass(frozen=True, eq=False)
class Script:
    """What a user does in one visit.

    Attributes:
        parts: its steps, with a break between two parts.
        session_id: whether its events carry one. If they do it is one session; if not, each part is one.
    """

    parts: tuple[tuple[Step, ...], ...]
    session_id: bool = True

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(chain.from_iterable(self.parts))

    @cached_property
    def sessions(self) -> tuple[range, ...]:
        """The places of each session's steps."""
        if self.session_id:
            return (range(len(self.steps)),)
        ends = [sum(map(len, self.parts[: number + 1])) for number in range(len(self.parts))]
        return tuple(range(end - len(part), end) for part, end in zip(self.parts, ends, strict=True))

    @cached_property
    def moments(self) -> Mapping[int, tuple[int, ...]]:
        """When each step happens at each pace, in milliseconds since the first."""
        return {pace: tuple(self._moments(pace)) for pace in PACES}

    def _moments(self, pace: int) -> Iterator[int]:
        now = 0
        for number, part in enumerate(self.parts):
            for place, step in enumerate(part):
                if place:
                    now += round(step.after * 10 * pace)
                elif number:
                    now += BREAK_SECONDS * 1000
                yield now


def visit(*steps: Step, session_id: bool = True) -> Script:
    """A visit without a break."""
    return Script((steps,), session_id)


@dataclass(frozen=True, eq=False)
class Life:
    """What some of the users do.

    Attributes:
        percent: of all users, rounded down to whole users. The first life of a scenario takes those that are left over.
        visits: days since the user's first, and what is done then: at most one visit a day, all in the first week.
        returns: visits in later weeks, in turn. None of them goes on in the funnel.
    """

    name: str
    percent: int
    visits: Mapping[int, Script]
    returns: tuple[Script, ...]
    bot: bool = False

    @property
    def span(self) -> int:
        return max(self.visits)

    @property
    def reaches(self) -> int:
        """How far in the funnel, by the steps that are marked as goals."""
        steps = chain.from_iterable(script.steps for script in self.visits.values())
        return max((step.goal or 0 for step in steps), default=0)


@dataclass(frozen=True, eq=False)
class Trait:
    """A property that differs between users.

    Attributes:
        percents: of each value, as for `Life`; None is a user without the property.
        details: properties that go with a value.
    """

    name: str
    percents: Mapping[str | None, int]
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def properties(self, value: str | None) -> dict[str, Any]:
        return {} if value is None else {self.name: value, **self.details.get(value, {})}


@dataclass(frozen=True, eq=False)
class Scenario:
    """A kind of site, and who comes there.

    Attributes:
        zone: IANA name; its days and weeks are those of this zone.
        everywhere: traits that every event tells.
        on_arrival: the trait that a user's first event alone tells.
        sometimes: traits that the steps which name them tell.
        funnel: the steps, each an event type and the properties it must have.
        window: seconds for the whole funnel.
        curve: how many of a hundred users of a week come back 1, 2, … weeks later, rounded down; the last goes on.
        return_days: on how many days of such a week, in turn.
        paths_by: what the paths are told by: `event_type` or `property:NAME`.
        paths_start: an event that they are asked from.
    """

    name: str
    zone: str
    lives: tuple[Life, ...]
    everywhere: tuple[Trait, ...]
    on_arrival: Trait
    sometimes: tuple[Trait, ...]
    funnel: tuple[tuple[str, Mapping[str, str]], ...]
    window: int
    curve: tuple[int, ...]
    return_days: tuple[int, ...]
    paths_by: str
    paths_start: str

    @property
    def has_bots(self) -> bool:
        """Then every event has the property `bot`, true or false."""
        return any(life.bot for life in self.lives)
