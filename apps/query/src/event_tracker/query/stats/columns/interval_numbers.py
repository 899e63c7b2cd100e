"""SQL that says in which interval of a range a time lies."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from event_tracker.query.stats.columns.selection import Parameters

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NEVER = 2**62


def number_intervals(starts: Sequence[datetime], end: datetime, parameters: Parameters) -> str:
    """The number, from 1, of the interval in which `micros` lies: microseconds since 1970, in [first start, end).

    The range is cut into slots of equal width, which are no wider than the shortest interval. So at most one interval begins inside
    a slot, and a look at two lists tells the number, however many intervals there are.
    """
    times = [(start - UNIX_EPOCH) // MICROSECOND for start in starts]
    first, last = (times[0], (end - UNIX_EPOCH) // MICROSECOND) if times else (0, 0)
    width = min((later - earlier for earlier, later in pairwise(times)), default=max(last - first, 1))
    begun = [bisect_right(times, slot) for slot in range(first, last, width)]
    parameters.update(
        first_start=first,
        slot_width=width,
        begun=begun,
        next_starts=[times[number] if number < len(times) else NEVER for number in begun],
    )
    slot = "(micros - $first_start) // $slot_width + 1"
    return f"list_extract($begun::int[], {slot}) + (micros >= list_extract($next_starts::bigint[], {slot}))::int"
