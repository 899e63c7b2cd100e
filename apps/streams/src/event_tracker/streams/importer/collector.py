"""Posts events to a collector: one request at a time, with an outcome for every event."""

import gzip
import secrets
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import requests

from event_tracker.core.retry import backoff, is_temporary, retry_after
from event_tracker.streams.importer import metrics

CONNECT_SECONDS = 5
READ_SECONDS = 30
"""Longer than a collector takes to time out by itself, so that its own answer arrives first."""

GZIP_LEVEL = 1


class CollectorUnavailableError(Exception):
    """The collector doesn't answer, or asks to wait: the same events are to be sent again."""


class CollectorRefusedError(Exception):
    """The collector refuses the request, not its events: a person must change a key or a URL. The message says what it says."""


class TooLargeError(Exception):
    """The collector takes no request that is as large."""


class Refusal(msgspec.Struct):
    """Why an event was refused."""

    index: int
    code: str
    detail: str
    pointer: str = ""


class _Answer(msgspec.Struct):
    """The answer to a batch, or a problem."""

    stored: int = 0
    duplicates: int = 0
    expired: int = 0
    accepted: int = 0
    errors: list[Refusal] = []  # msgspec copies it for each instance
    code: str = ""
    detail: str = ""


class Outcome(NamedTuple):
    """What became of a batch.

    Attributes:
        counts: of events by outcome.
        refused: why events were refused, by their index.
    """

    counts: dict[str, int]
    refused: dict[int, list[Refusal]]


class Collector:
    """A collector at a URL, with a write key."""

    def __init__(self, url: str, write_key: str) -> None:
        self._url = f"{url.rstrip('/')}/events"
        self._session = requests.Session()
        self._session.headers["X-Write-Key"] = write_key
        self._failures = 0
        self._not_before = 0.0

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def post(self, events: Sequence[bytes]) -> Outcome:
        """Post events as one batch. When it returns, what wasn't refused is stored or accepted.

        Args:
            events: each as JSON in one line, with its id and its time, since it may be sent twice.

        Raises:
            CollectorUnavailableError: if they are to be sent again; also, without a request, before the time that it asked to wait for.
            CollectorRefusedError: if sending again doesn't help.
            TooLargeError: if the collector wants smaller requests.
        """
        if time.monotonic() < self._not_before:
            raise CollectorUnavailableError("It asked to wait.")
        body = gzip.compress(b"\n".join(events), GZIP_LEVEL, mtime=0)
        headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
            "X-Request-ID": secrets.token_hex(8),
        }
        try:
            with metrics.REQUEST_SECONDS.time():
                response = self._session.post(
                    self._url,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,  # a redirected POST would be followed with a GET
                )
        except requests.exceptions.InvalidURL as error:
            raise CollectorRefusedError(f"COLLECTOR_URL is no URL: {error}") from None
        except requests.RequestException as error:
            self._wait("silence", 0.0)
            raise CollectorUnavailableError(f"The collector doesn't answer ({type(error).__name__}).") from None
        return self._read(response, len(events))

    def _read(self, response: requests.Response, sent: int) -> Outcome:
        status = response.status_code
        is_done = 200 <= status < 300
        answer = _decode(response.content)
        if is_temporary(status) or (is_done and answer is None):
            self._wait(str(status), retry_after(response.headers.get("Retry-After")))
            detail = answer.detail if answer else "Its answer isn't a collector's."
            raise CollectorUnavailableError(f"The collector answers {status}. {detail}")
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise TooLargeError
        outcome = _make_outcome(answer) if answer and (is_done or answer.code == "invalid_events") else None
        if outcome is None or sum(outcome.counts.values()) + len(outcome.refused) != sent:
            detail = (answer and answer.detail) or "Is COLLECTOR_URL that of a collector?"
            raise CollectorRefusedError(f"The collector answers {status}: {detail} See COLLECTOR_URL and WRITE_KEY.")
        self._failures = 0
        return outcome

    def _wait(self, status: str, at_least: float) -> None:
        metrics.COLLECTOR_ERRORS.labels(status).inc()
        self._not_before = time.monotonic() + max(at_least, backoff(self._failures))
        self._failures += 1


def _make_outcome(answer: _Answer) -> Outcome:
    refused: dict[int, list[Refusal]] = {}
    for one in answer.errors:
        refused.setdefault(one.index, []).append(one)
    counts = {
        "stored": answer.stored,
        "duplicate": answer.duplicates,
        "expired": answer.expired,
        "accepted": answer.accepted,
    }
    return Outcome(counts, refused)


def _decode(content: bytes) -> _Answer | None:
    """An answer; None if it isn't one of ours."""
    try:
        decoded: Any = msgspec.json.decode(content, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return decoded if isinstance(decoded, _Answer) else None
