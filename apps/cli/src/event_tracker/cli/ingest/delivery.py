"""Sends events to a collector: many in a request, two requests at once, with an outcome for every event."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from event_tracker.cli.client import Client, read_answer
from event_tracker.cli.errors import RefusedError

MAX_EVENTS = 1000
MAX_BYTES = 5 * 1024 * 1024
"""The collector's default limits for a request. If its limits are lower, it answers 413, and the batch is halved."""

AT_ONCE = 2
"""Requests under way at once: one is stored while the next is parsed. More would only wait for each other."""

T = TypeVar("T")


class Answer(msgspec.Struct):
    """The collector's answer to a batch."""

    received: int
    stored: int
    duplicates: int
    accepted: int = 0
    errors: list[dict[str, Any]] = []  # msgspec copies it for each instance
    warnings: list[dict[str, Any]] = []


@dataclass
class Outcome:
    """The outcome of a batch.

    Attributes:
        errors: by an event's index in the batch, why it was refused.
        expired: by an event's index, the warnings about events that are older than what retention has deleted. They aren't stored.
        accepted: how many are safe with Kafka, and stored later.
    """

    stored: int = 0
    duplicates: int = 0
    errors: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    expired: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    accepted: int = 0


def deliver(client: Client, events: list[bytes], *, dry_run: bool = False) -> Outcome:
    """Post events as one batch.

    Args:
        events: the JSON of each event, in one line. Every event must have an event_id, since it may be sent twice.

    Raises:
        ServiceError: if the collector is unavailable, or refuses the whole request.
    """
    if not events:
        return Outcome()
    try:
        params = {"dry_run": "true"} if dry_run else {}
        body = client.post("/events", b"\n".join(events), "application/x-ndjson", params)
    except RefusedError as refused:
        if refused.problem.code == "invalid_events":
            return Outcome(errors=_by_index(refused.problem.errors))
        if refused.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise
        if len(events) == 1:
            return Outcome(errors={0: [{"pointer": "", "code": "too_large", "detail": refused.problem.detail}]})
        return _deliver_halves(client, events, dry_run)
    answer = read_answer(body, Answer)
    expired = [warning for warning in answer.warnings if warning["code"] == "expired"]
    return Outcome(answer.stored, answer.duplicates, _by_index(answer.errors), _by_index(expired), answer.accepted)


def _deliver_halves(client: Client, events: list[bytes], dry_run: bool) -> Outcome:
    half = len(events) // 2
    first = deliver(client, events[:half], dry_run=dry_run)
    second = deliver(client, events[half:], dry_run=dry_run)
    return Outcome(
        first.stored + second.stored,
        first.duplicates + second.duplicates,
        first.errors | _shift(second.errors, half),
        first.expired | _shift(second.expired, half),
        first.accepted + second.accepted,
    )


def _shift(by_index: dict[int, list[dict[str, Any]]], offset: int) -> dict[int, list[dict[str, Any]]]:
    return {offset + index: errors for index, errors in by_index.items()}


def _by_index(errors: Iterable[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Group errors by event, with pointers relative to the event: `/3/user_id` becomes `/user_id` of event 3."""
    found: dict[int, list[dict[str, Any]]] = {}
    for error in errors:
        index = error["index"]
        pointer = error["pointer"].removeprefix(f"/{index}")
        found.setdefault(index, []).append({"pointer": pointer, "code": error["code"], "detail": error["detail"]})
    return found


def _until_failure(batches: Iterable[T], failures: list[Exception]) -> Iterator[T]:
    """The batches up to an error, which is added to `failures` instead of raised."""
    iterator = iter(batches)
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            failures.append(error)
            return
        yield batch


def deliver_all(client: Client, batches: Iterable[T], work: Callable[[T], Outcome]) -> Iterator[tuple[T, Outcome]]:
    """Call `work` for each batch, AT_ONCE batches at a time. Yield each batch with its outcome, in order.

    If the batches end with an error, such as that of a file that breaks off, those before it are delivered, and then it is raised.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    under_way: deque[tuple[T, Future[Outcome]]] = deque()
    failures: list[Exception] = []
    try:
        for batch in _until_failure(batches, failures):
            under_way.append((batch, pool.submit(work, batch)))
            while under_way and (len(under_way) > AT_ONCE or under_way[0][1].done()):
                first, future = under_way.popleft()
                yield first, future.result()
        for first, future in under_way:
            yield first, future.result()
    except BaseException:
        client.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    if failures:
        raise failures[0]
