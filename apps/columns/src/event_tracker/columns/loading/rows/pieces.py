"""Divides the rows that must be read into pieces, each read by one statement."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from math import ceil
from typing import NamedTuple

from event_tracker.columns.loading.rows.hours import HourRows
from event_tracker.columns.loading.spans import Span

PIECE_EVENTS = 100_000
"""About how many events are read at once: hours that follow each other are read together, and a larger one in parts."""


class Piece(NamedTuple):
    """The rows in [start, end) of these spans.

    Attributes:
        since: only those that a snapshot with this oldest transaction may not have seen. None is all.
    """

    start: datetime
    end: datetime
    spans: list[Span]
    since: int | None = None


def newer_pieces(known: Mapping[Span, HourRows]) -> Iterator[Piece]:
    """What may have been added to spans since they were read, those of the same hour together."""
    by_range = sorted(known, key=lambda span: (span.start, known[span].until))
    for (start, until), spans in groupby(by_range, key=lambda span: (span.start, known[span].until)):
        together = list(spans)
        yield Piece(start, until, together, min(known[span].oldest for span in together))


def whole_pieces(missing: Mapping[Span, datetime], others: Iterable[Span]) -> Iterator[Piece]:
    """What was never read of spans.

    Args:
        missing: the spans, each with the time from which on it wasn't read.
        others: spans that aren't read. No piece goes across the hours of one.
    """
    small = sorted(
        (span for span, begin in missing.items() if begin == span.start and span.events <= PIECE_EVENTS),
        key=lambda span: (span.start, span.source),
    )
    large = list(missing.keys() - set(small))
    large.sort(key=lambda span: (span.start, span.source))
    barriers = sorted({span.start for span in others} | {span.start for span in large})
    yield from _join(small, barriers)
    for span in large:
        begin = missing[span]
        parts = ceil(max(1, span.events / PIECE_EVENTS * ((span.end - begin) / (span.end - span.start))))
        bounds = [begin + (span.end - begin) / parts * part for part in range(parts)] + [span.end]
        for start, end in pairwise(bounds):
            yield Piece(start, end, [span])


def _join(spans: Sequence[Span], barriers: Sequence[datetime]) -> Iterator[Piece]:
    joined: list[Span] = []
    events = 0
    for span in spans:
        if joined and (events + span.events > PIECE_EVENTS or _is_between(barriers, joined[-1].end, span.start)):
            yield _piece(joined)
            joined, events = [], 0
        joined.append(span)
        events += span.events
    if joined:
        yield _piece(joined)


def _is_between(barriers: Sequence[datetime], start: datetime, end: datetime) -> bool:
    index = bisect_left(barriers, start)
    return index < len(barriers) and barriers[index] < end


def _piece(spans: list[Span]) -> Piece:
    return Piece(spans[0].start, max(span.end for span in spans), spans)
