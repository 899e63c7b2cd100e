"""How a question was answered, for `explain=true`."""

from datetime import datetime
from typing import Any

import msgspec

from event_tracker.columns.loading.loaded import Loaded

MAX_HOURS = 100
"""How many hours are listed."""


class HourBeside(msgspec.Struct, frozen=True):
    """An hour that was read from rows.

    Attributes:
        why: `open` if the day wasn't over, `no_block` if there is no valid block: none was built yet, or events were added or deleted
            since.
    """

    source: str
    start: datetime
    events: int
    why: str


class EnginePlan(msgspec.Struct, frozen=True):
    """What `explain=true` adds to a response.

    Attributes:
        milliseconds: DuckDB's time for the statement, run once.
        blocks: how many were read, and how many events they hold.
        blocks_fetched: how many of them weren't on the local disk.
        hours: how many were read from rows beside the blocks, and how many events were counted in them.
        rows_read: how many rows weren't on the local disk.
        archived_days: how many days of sources were read that only the lake has.
        hours_beside: the newest of these hours, and why they were read from rows.
        plan: DuckDB's, with the time of each step.
    """

    milliseconds: float
    blocks: int
    events_in_blocks: int
    blocks_fetched: int
    hours: int
    events_in_hours: int
    rows_read: int
    archived_days: int
    hours_beside: list[HourBeside]
    plan: Any


def make_plan(loaded: Loaded, seconds: float, plan: Any) -> EnginePlan:
    """Describe how a question was answered."""
    blocks = [span for span in loaded.files if span.id is not None]
    hours = sorted((span for span in loaded.files if span.id is None), key=lambda span: span.start, reverse=True)
    today = loaded.snapshot.as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    return EnginePlan(
        milliseconds=seconds * 1000,
        blocks=len(blocks),
        events_in_blocks=sum(span.events for span in blocks),
        blocks_fetched=loaded.blocks_fetched,
        hours=len(hours),
        events_in_hours=sum(span.events for span in hours),
        rows_read=loaded.rows_read,
        archived_days=len(loaded.archived),
        hours_beside=[
            HourBeside(span.source, span.start, span.events, "open" if span.start >= today else "no_block")
            for span in hours[:MAX_HOURS]
        ],
        plan=plan,
    )
