"""What a filter is: conditions on an event, on its session and on its user, and groups of them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TEXT_FIELDS = ("event_type", "user_id", "session_id", "source")
TIME_FIELDS = ("timestamp", "received_at")
PROPERTY = "property."

MAX_PARTS = 50
"""Conditions and groups of a filter together. Each is evaluated for each event that is read."""

MAX_DEPTH = 5
"""Groups in groups."""

MAX_KEYS = 5
"""Keys in the path of a property."""

Test = Literal["is", "contains", "starts_with", "set", "gt", "gte", "lt", "lte"]

OPERATORS: dict[str, tuple[Test, bool]] = {
    "is": ("is", False),
    "is_not": ("is", True),
    "one_of": ("is", False),
    "contains": ("contains", False),
    "not_contains": ("contains", True),
    "starts_with": ("starts_with", False),
    "set": ("set", False),
    "not_set": ("set", True),
    "gt": ("gt", False),
    "gte": ("gte", False),
    "lt": ("lt", False),
    "lte": ("lte", False),
}
"""Operator → its test, and whether it selects the events for which the test fails."""

ORDERED = ("gt", "gte", "lt", "lte")
"""Comparisons by order: the only ones of times."""


@dataclass(frozen=True, slots=True)
class EventField:
    """One of TEXT_FIELDS or TIME_FIELDS."""

    name: str

    @property
    def is_time(self) -> bool:
        """Whether its values are times."""
        return self.name in TIME_FIELDS


@dataclass(frozen=True, slots=True)
class Property:
    """A property, or with several keys a member of an object below one."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one field.

    Attributes:
        values: none for `set`; any of one or more for `is`; one for the others, of times a datetime.
        negated: whether the events are selected for which the test fails.
    """

    field: EventField | Property
    test: Test
    values: tuple[str | datetime, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Parts of which all must match, or any."""

    kind: Literal["and", "or"]
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """Whether `event` selects a session's first event, or its last: of all, or of those that `among` selects."""

    kind: Literal["entry", "exit"]
    event: "Filter"
    among: "Filter | None" = None


@dataclass(frozen=True, slots=True)
class Count:
    """Whether so many events are selected by `of` (None selects all). Without `at_most` there may be any more."""

    of: "Filter | None"
    at_least: int
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class SessionCondition:
    """A test of the session that an event belongs to."""

    test: Edge | Count


@dataclass(frozen=True, slots=True)
class UserCondition:
    """A test of an event's user, by their events in [start, end). None is the question's own bound."""

    test: Count
    start: datetime | None = None
    end: datetime | None = None


Behaviour = SessionCondition | UserCondition
"""A condition that other events than the event itself decide. Its own filters are about events alone."""

Filter = Condition | Group | SessionCondition | UserCondition

Properties = tuple[tuple[str, str], ...]
"""Properties' names and values."""


def with_properties(properties: Properties, wanted: Filter | None) -> Filter | None:
    """The filter (None selects all), and that these properties have these values, as `property.NAME=value` means."""
    parts: list[Filter] = [Condition(Property((name,)), "is", (value,)) for name, value in properties]
    if wanted is not None:
        parts.append(wanted)
    return Group("and", tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


_special = re.compile(r"[\\.:]")
_part = re.compile(r"(?:[^\\.]|\\[\\.:])*").match


def join_path(keys: Iterable[str]) -> str:
    """The path of a property with these keys: `split_path` divides it again."""
    return ".".join(_special.sub(r"\\\g<0>", key) for key in keys)


def split_path(path: str) -> Iterator[str]:
    """Split the keys of a property's path at dots. In a key, a dot is written `\\.`, a colon `\\:` and a backslash `\\\\`.

    Raises:
        ValueError: if a backslash stands before anything else.
    """
    position = 0
    while True:
        found = _part(path, position)
        assert found
        yield re.sub(r"\\(.)", r"\1", found[0])
        position = found.end() + 1
        if found.end() == len(path):
            return
        if path[found.end()] != ".":
            raise ValueError("a backslash before another character")
