"""The classes that describe a scenario.

A scenario has several lives. Each is lived by a fixed percentage of the users, and determines what these users do, and when.
The percentages are exact and not random, so every number about the traffic is known before the first event is made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

from event_tracker.cli.simulate.scenarios.site import Site

BREAK_SECONDS = 45 * 60
"""The break between two parts of a visit. It is clearly longer than the 30 minutes that end a session without an id."""

LONGEST_PAUSE_SECONDS = 1500
"""The longest pause within a part: even at the slowest pace it is shorter than those 30 minutes."""

SIGN_IN = "identify"
"""The type of the event with which a visitor signs in: it links the id that they had before to theirs (docs/definitions.md, person)."""

PACES = (60, 80, 100, 110, 115)
"""The paces of users: the percentage of the usual time between two steps. Each is that of equally many users."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event.

    Attributes:
        after: seconds since the previous step, at the usual pace.
        traits: the user's traits that become properties of the event.
        goal: the step of the scenario's funnel that it completes, from 1.
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
        parts: its steps, with a break between parts.
        session_id: whether its events have one. If so, the visit is one session; if not, each part is one.
    """

    parts: tuple[tuple[Step, ...], ...]
    session_id: bool = True

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(chain.from_iterable(self.parts))

    @cached_property
    def sessions(self) -> tuple[range, ...]:
        """The ranges of indexes of each session's steps."""
        if self.session_id:
            return (range(len(self.steps)),)
        ends = [sum(map(len, self.parts[: number + 1])) for number in range(len(self.parts))]
        return tuple(range(end - len(part), end) for part, end in zip(self.parts, ends, strict=True))

    @cached_property
    def moments(self) -> Mapping[int, tuple[int, ...]]:
        """The time of each step at each pace, in milliseconds since the first step."""
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
    """A script without a break."""
    return Script((steps,), session_id)


@dataclass(frozen=True, eq=False)
class Life:
    """What some of the users do.

    Attributes:
        percent: the share of all users, rounded down to whole users. The first life of a scenario gets the remaining users.
        visits: by day since the user's first day, the script: at most one visit a day, all in the first week.
        returns: visits in later weeks, in rotation. None of them continues the funnel.
    """

    name: str
    percent: int
    visits: Mapping[int, Script]
    returns: tuple[Script, ...]
    bot: bool = False

    @property
    def span(self) -> int:
        return max(self.visits)

    @cached_property
    def signs_in(self) -> tuple[int, int] | None:
        """The day since the first one, and the step of its visit, at which its users sign in; None if they are known from the start.
        All that they do before has another id."""
        return next(
            (
                (day, place)
                for day, script in sorted(self.visits.items())
                for place, step in enumerate(script.steps)
                if step.event_type == SIGN_IN
            ),
            None,
        )

    @property
    def reaches(self) -> int:
        """The last step of the funnel that its users complete; 0 if none."""
        steps = chain.from_iterable(script.steps for script in self.visits.values())
        return max((step.goal or 0 for step in steps), default=0)


@dataclass(frozen=True, eq=False)
class Trait:
    """A property that differs between users.

    Attributes:
        percents: the share of each value, as for `Life`; None is for users without the property.
        details: further properties for a value.
    """

    name: str
    percents: Mapping[str | None, int]
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def properties(self, value: str | None) -> dict[str, Any]:
        return {} if value is None else {self.name: value, **self.details.get(value, {})}


@dataclass(frozen=True, eq=False)
class Scenario:
    """A kind of site and its users.

    Attributes:
        zone: the IANA name of the time zone of its days and weeks.
        everywhere: traits that are properties of every event.
        on_arrival: the trait that is a property of a user's first event only.
        sometimes: traits that are properties of the steps which name them.
        funnel: the steps, each an event type and the properties that it must have.
        window: seconds for the whole funnel.
        curve: the percentage of a week's users who return 1, 2, … weeks later, rounded down. The last
            value holds for all later weeks; a week that has only begun has its part of it.
        return_days: on how many days of such a week they return, in rotation.
        paths_by: the key of steps in paths: `event_type` or `property:NAME`.
        paths_start: a key at which paths start.
        site: what its page views have besides, if it is a web site.
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
    site: Site | None = None

    @property
    def has_bots(self) -> bool:
        """Whether there are bots. Then every event has the property `bot`, true or false."""
        return any(life.bot for life in self.lives)
