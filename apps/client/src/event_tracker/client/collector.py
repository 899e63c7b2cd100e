"""One request to the collector, and what its answer says about the events."""

import gzip
import json
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import urllib3

from event_tracker.client.retry import is_temporary, retry_after

GZIP_LEVEL = 1
CONNECT_SECONDS = 5.0

Errors = dict[int, list[dict[str, Any]]]


@dataclass(frozen=True)
class SettledAnswer:
    """The collector has answered for every event: those in `errors` are refused, the others are stored (or will be, with Kafka)."""

    status: int
    errors: Errors


@dataclass(frozen=True)
class RefusedRequest:
    """The request is refused as a whole, and would be again."""

    status: int
    code: str
    detail: str


@dataclass(frozen=True)
class NoAnswer:
    """Nothing is known about the events: the same request is to be sent again, after `wait_seconds` at least."""

    why: str
    wait_seconds: float = 0.0


class Collector:
    """The collector at a URL.

    Args:
        url: without `/events`. It may have a path, for a collector behind an ingress.
        timeout_seconds: how long to wait for an answer.

    Raises:
        ValueError: if the URL or the key can't be one.
    """

    def __init__(self, url: str, write_key: str | None, timeout_seconds: float) -> None:
        _require_url(url)
        if write_key is not None and not re.fullmatch(r"[!-~]+", write_key):
            raise ValueError("write_key: is empty, or has a space or a character that keys don't have")
        self._url = url.rstrip("/") + "/events"
        self._timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout_seconds), read=timeout_seconds)
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
            "User-Agent": f"event-tracker-client/{version('event-tracker-client')} python/{platform.python_version()}",
        }
        if write_key is not None:
            self._headers["X-Write-Key"] = write_key
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def post(self, lines: Sequence[bytes]) -> SettledAnswer | RefusedRequest | NoAnswer:
        """Send events once, as one batch."""
        body = gzip.compress(b"\n".join(lines), GZIP_LEVEL)
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers=self._headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return NoAnswer(f"no answer ({type(error).__name__})")
        return understand(response.status, dict(response.headers), response.data, len(lines))


def understand(
    status: int, headers: dict[str, str], body: bytes, sent: int
) -> SettledAnswer | RefusedRequest | NoAnswer:
    """What an answer says about the `sent` events of the request."""
    named = {name.lower(): value for name, value in headers.items()}
    if is_temporary(status):
        return NoAnswer(f"it answers {status}", retry_after(named.get("retry-after")))
    answer = _read(body)
    if 200 <= status < 300:
        if answer.get("received") != sent:
            # Some proxies answer in the collector's place. Sending again is safe, and taking this for an acknowledgement isn't.
            return NoAnswer(f"the {status} isn't a collector's answer to these events")
        return SettledAnswer(status, _by_index(answer, sent))
    errors = _by_index(answer, sent)
    if status == 422 and len(errors) == sent:
        return SettledAnswer(status, errors)
    if 300 <= status < 400:
        return RefusedRequest(
            status, "redirected", f"The collector is at {named.get('location', 'another URL')}: use that one."
        )
    detail = answer.get("detail") or f"The server answers {status}; is that a collector?"
    return RefusedRequest(status, str(answer.get("code") or status), str(detail))


def _read(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _by_index(answer: dict[str, Any], sent: int) -> Errors:
    """The errors of each event, with pointers relative to the event: `/3/user_id` becomes `/user_id` of event 3."""
    found: Errors = {}
    errors = answer.get("errors")
    for error in errors if isinstance(errors, list) else []:
        index = error.get("index") if isinstance(error, dict) else None
        if isinstance(index, int) and 0 <= index < sent:
            pointer = str(error.get("pointer", "")).removeprefix(f"/{index}")
            found.setdefault(index, []).append({**error, "pointer": pointer})
    return found


def _require_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_http = False
    if not is_http:
        raise ValueError("url: isn't the URL of a collector; one looks like http://127.0.0.1:8000")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("url: has a user name, a query or a fragment; a collector's has none")
