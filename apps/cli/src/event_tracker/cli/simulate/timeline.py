"""Simulated visits over time: spread over past days, or live."""

import time
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from event_tracker.cli.ingest.delivery import MAX_EVENTS
from event_tracker.cli.simulate.fake_users import MEAN_PAUSE_SECONDS, FakeShop, Visit

HOURS = (4, 3, 2, 2, 2, 3, 5, 9, 13, 16, 18, 18, 17, 16, 17, 17, 16, 17, 19, 21, 20, 16, 11, 7)
"""The relative number of visits in each hour of the day, in UTC."""

HOUR_SECONDS = 3600
VISITORS_AT_ONCE = 50
TICK_SECONDS = 0.2


class Event(NamedTuple):
    """A simulated event, with its JSON. Before sign-in, that has another id than `user_id`."""

    user_id: str
    event_type: str
    json: bytes


def history(shop: FakeShop, events: int, days: float, end: datetime) -> Iterator[list[Event]]:
    """Yield batches of so many events, spread over the days before `end`. Late visits are sent after their time."""
    finish = end.timestamp()
    start = finish - days * 24 * HOUR_SECONDS
    clock = _Clock(start, finish)
    made = 0
    batch: list[Event] = []
    while made < events:
        began = clock.at((made + shop.random.random()) / events)
        visit = shop.visit(began)
        moment = max(start, began - visit.late_by)
        for event_type, properties in visit.steps:
            batch.append(_event(shop, visit, event_type, properties, moment))
            made += 1
            if len(batch) == MAX_EVENTS:
                yield batch
                batch = []
            moment += shop.random.expovariate(1 / MEAN_PAUSE_SECONDS)
            if made == events or moment >= finish:
                break
    if batch:
        yield batch


class _Clock:
    """Converts a share of all events into a time, so that busy hours get more events."""

    def __init__(self, start: float, finish: float) -> None:
        self.start, self.finish = start, finish
        hours = range(int((finish - start) // HOUR_SECONDS) + 1)
        busy = (HOURS[datetime.fromtimestamp(start + hour * HOUR_SECONDS, UTC).hour] for hour in hours)
        self.until = list(accumulate(busy))

    def at(self, share: float) -> float:
        """The time before which this share of the events happens: seconds since 1970."""
        target = min(share, 1.0) * self.until[-1]
        hour = min(bisect_right(self.until, target), len(self.until) - 1)
        before = self.until[hour - 1] if hour else 0
        inside = (target - before) / (self.until[hour] - before)
        length = (self.finish - self.start) / len(self.until)
        return min(self.start + (hour + inside) * length, self.finish - 0.001)


def trickle(shop: FakeShop, rate: float, seconds: float) -> Iterator[list[Event]]:
    """Yield batches of live events, `rate` a second, for so many seconds, of many visits at once.

    Events of late visits have an earlier time, but none before the start: that time may belong to other simulations.
    """
    visits: list[Visit] = []
    for _ in range(min(VISITORS_AT_ONCE, max(1, shop.users // 2))):
        visits.append(_new_visit(shop, visits))
    began, started = time.time(), time.monotonic()
    made = 0
    while (passed := time.monotonic() - started) < seconds:
        due = min(int(passed * rate) + 1 - made, MAX_EVENTS)
        if due > 0:
            made += due
            yield [_next_event(shop, visits, began) for _ in range(due)]
        else:
            time.sleep(min(TICK_SECONDS, max(0.0, made / rate - passed), seconds - passed))


def _next_event(shop: FakeShop, visits: list[Visit], began: float) -> Event:
    """The next event of a random visit. A visit that has ended is replaced by another user's."""
    index = shop.random.randrange(len(visits))
    while (step := next(visits[index].steps, None)) is None:
        del visits[index]
        visits.append(_new_visit(shop, visits))
        index = -1
    return _event(shop, visits[index], *step, max(began, time.time() - visits[index].late_by))


def _new_visit(shop: FakeShop, visits: list[Visit]) -> Visit:
    """A visit of a user who has no other visit now."""
    present = {visit.user_id for visit in visits}
    while (visit := shop.visit(time.time())).user_id in present:
        pass
    return visit


def _event(shop: FakeShop, visit: Visit, event_type: str, properties: dict[str, Any], moment: float) -> Event:
    milliseconds = int(moment * 1000)
    body = msgspec.json.encode(
        {
            "user_id": visit.user_id,
            "event_type": event_type,
            "timestamp": datetime.fromtimestamp(milliseconds / 1000, UTC),
            "event_id": event_id(milliseconds, shop.random.getrandbits(74)),
            "session_id": visit.session_id,
            "properties": properties,
        }
    )
    return Event(visit.user_id, event_type, body)


def event_id(milliseconds: int, chance: int) -> str:
    """A UUIDv7 (RFC 9562 section 5.7) of the time and 74 given random bits, so that the seed decides the ids too."""
    value = milliseconds << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
