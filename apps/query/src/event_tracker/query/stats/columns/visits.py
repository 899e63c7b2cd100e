"""SQL of sessions. A visit is what a session_id or short gaps hold together; a session is a visit, or a part of one that is too long."""

import math
from datetime import timedelta

from event_tracker.core.postgres.named_sql import load_queries

PARTS = load_queries("event_tracker.query.stats.columns", "visits.sql")

SECOND = 1_000_000
"""In microseconds."""


def build_visits(columns: str) -> str:
    """The events of the relation `selected`, each with its visit and these columns. It takes the parameter `gap`."""
    return PARTS["visited"].format(columns=columns, events="selected")


def build_cut(columns: str, length: timedelta, longest: int) -> str:
    """Relations up to `cut`: the events of the visits in the relation `long`, each with its part. It takes `gap` and `longest`.

    Args:
        length: of the question's time range.
        longest: the longest session, in seconds. A part begins more than that after the one before, so there are only so many.
    """
    of_long = "(select * from selected where user_id in (select user_id from long))"
    most_parts = length // timedelta(seconds=longest) + 1
    steps = math.ceil(math.log2(most_parts))
    return PARTS["cut"].format(
        visited=PARTS["visited"].format(columns=columns, events=of_long),
        steps="".join(_build_step(step) for step in range(1, steps + 1)),
        begin=f"begin_{steps}",
    )


def _build_step(step: int) -> str:
    return PARTS["cut.step"].format(
        jump=f"jump_{step}", jump_below=f"jump_{step - 1}", begin=f"begin_{step}", begin_below=f"begin_{step - 1}"
    )
