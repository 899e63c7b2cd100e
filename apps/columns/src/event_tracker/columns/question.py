"""A question to the engine, and its result."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from event_tracker.columns.loading.plan import EnginePlan
from event_tracker.columns.loading.tables import Table


class Result(NamedTuple):
    """A question's result.

    Attributes:
        as_of: everything that was committed by then is counted.
        fingerprint: of the events that were read (`Engine.fingerprint`).
        plan: None unless it was asked for.
        complete_from: from when on no event of the range is missing that retention has deleted; None if the engine has no lake.
    """

    as_of: datetime
    fingerprint: bytes
    rows: list[Any]
    plan: EnginePlan | None = None
    complete_from: datetime | None = None


class QuestionStatement(NamedTuple):
    """A statement with its parameters, and how to run it: see `Engine.run`."""

    statement: str
    parameters: dict[str, Any]
    properties: Sequence[str]
    tables: Sequence[Table]
    name: str
    explain: bool
