"""What every client must do, whatever the case is."""

import uuid
from collections.abc import Iterator
from typing import Any

from simulated_collector import Event, Request, read_number

MAX_EVENTS = 1000
MAX_BYTES = 5 * 1024 * 1024
MIN_WAIT_SECONDS = 0.1
"""At least this long a client waits without a Retry-After, so as not to send without a pause."""

Call = dict[str, Any]


def find_violations(
    case: dict[str, Any], calls: list[Call], requests: list[Request], stored: dict[int, Event], given_up: list[int]
) -> list[str]:
    """What a client did wrong; nothing if it kept the contract.

    Args:
        calls: the events that it was told to track.
        given_up: the numbers of those that it said it had given up.
    """
    found = [
        *_limits(requests),
        *_identities(requests),
        *_contents(calls, stored),
        *_resends(case, requests),
        *_outcomes(case, len(calls), stored, given_up),
    ]
    return found[:10]


def _limits(requests: list[Request]) -> Iterator[str]:
    for number, request in enumerate(requests, 1):
        if request.fault:
            yield f"request {number}: {request.fault}"
        if len(request.events) > MAX_EVENTS or request.size > MAX_BYTES:
            yield f"request {number}: {len(request.events)} events of {request.size} bytes; {MAX_EVENTS} and {MAX_BYTES} are allowed"


def _identities(requests: list[Request]) -> Iterator[str]:
    """Each event has an id of its own, and is the same event in each request."""
    first: dict[int, Event] = {}
    ids: dict[str, int] = {}
    for event in (event for request in requests for event in request.events):
        number, event_id = read_number(event), str(event.get("event_id"))
        if not _is_identity(event):
            yield f"event {number}: event_id {event_id!r} is no UUID; without a timestamp it must be a UUIDv7"
        if first.setdefault(number, event) != event:
            yield f"event {number}: it was sent again as another event: {first[number]} and then {event}"
        if ids.setdefault(event_id, number) != number:
            yield f"events {ids[event_id]} and {number} have the same event_id"


def _is_identity(event: Event) -> bool:
    try:
        parsed = uuid.UUID(str(event.get("event_id")))
    except ValueError:
        return False
    return event.get("timestamp") is not None or parsed.version == 7


def _contents(calls: list[Call], stored: dict[int, Event]) -> Iterator[str]:
    for number, event in stored.items():
        sent = {name: event.get(name) for name in ("user_id", "event_type", "properties")}
        if not 0 <= number < len(calls) or sent != calls[number]:
            yield f"event {number}: what came isn't what was tracked"


def _resends(case: dict[str, Any], requests: list[Request]) -> Iterator[str]:
    """What was answered for isn't sent again; what may be sent again isn't before its time."""
    settled: dict[int, int] = {}
    not_before: dict[int, tuple[float, float]] = {}
    for position, request in enumerate(requests, 1):
        for number in map(read_number, request.events):
            if number in settled and not case.get("may_send_settled"):
                yield f"event {number}: request {position} sends it again, although {settled[number]} was answered for it"
            ended, seconds = not_before.get(number, (0.0, 0.0))
            if request.began - ended < seconds:
                yield f"event {number}: sent again after {request.began - ended:.2f} s; {seconds:g} s is the least"
            if request.settled:
                settled[number] = position
            if request.waits is not None:
                not_before[number] = (request.ended, max(request.waits, MIN_WAIT_SECONDS))


def _outcomes(case: dict[str, Any], tracked: int, stored: dict[int, Event], given_up: list[int]) -> Iterator[str]:
    expected = set(range(tracked)) if case.get("given_up") == "all" else set(case.get("given_up", []))
    if missing := set(range(tracked)) - expected - set(stored):
        yield f"lost: events {sorted(missing)[:10]} were never stored"
    if unsaid := expected - set(given_up):
        yield f"events {sorted(unsaid)[:10]} were given up, and the client didn't say so"
    if too_many := set(given_up) - expected:
        yield f"events {sorted(too_many)[:10]} were said to be given up, but may not be"
    if len(given_up) != len(set(given_up)):
        yield "an event was said to be given up twice"
