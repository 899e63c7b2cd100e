"""The parts that events are read in, and samples of them."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Span(NamedTuple):
    """Hours of one source that are read together: a valid block, or one hour of rows.

    Attributes:
        id: of the block; None for rows.
        keys: properties that have a column of their own in the block's file.
        events: changes whenever an event is added.
        epoch: of the day; changes whenever an event is deleted or changed.
    """

    source: str
    start: datetime
    end: datetime
    id: UUID | None
    keys: tuple[str, ...]
    events: int
    epoch: int


class Sample(NamedTuple):
    """A part of a selection, from the newest events on.

    What it holds depends on nothing but the selection's events and blocks: not on what is on the local disk.

    Attributes:
        blocks: the most events of whole blocks.
        rows: the most events of whole hours of rows.
        parsed: the most events without columns of their own for properties: reading JSON takes most of the time. The first of each file
            are kept, which are those of some users.
    """

    blocks: int
    rows: int
    parsed: int = 20_000


def take_sample(spans: list[Span], sample: Sample | None) -> tuple[list[Span], list[Span]]:
    """Divide spans into those of a sample (None is all) and the others. Both keep their order."""
    if sample is None:
        return spans, []
    taken = {
        *_newest((span for span in spans if span.id is not None), sample.blocks),
        *_newest((span for span in spans if span.id is None), sample.rows),
    }
    return [span for span in spans if span in taken], [span for span in spans if span not in taken]


def _newest(spans: Iterable[Span], most: int) -> Iterable[Span]:
    """The newest spans with at most so many events. None comes after one that is too large: what is read has no gaps."""
    for span in sorted(spans, key=lambda span: (span.start, span.source), reverse=True):
        most -= span.events
        if most < 0:
            return
        yield span


def count_names(spans: Iterable[Span]) -> dict[str, int]:
    """How many events the blocks have in which a property has a column of its own, by the property's name."""
    counts: dict[str, int] = {}
    for span in spans:
        for name in span.keys:
            counts[name] = counts.get(name, 0) + span.events
    return counts
