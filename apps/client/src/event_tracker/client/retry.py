"""How long to wait before a request is sent again."""

import email.utils
import random
from datetime import UTC, datetime

FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 30.0

MAX_RETRY_AFTER_SECONDS = 3600.0
"""A Retry-After beyond that is a mistake, which must not keep events back for days."""


def is_temporary(status: int) -> bool:
    """Whether the same request may succeed later (docs/api.md, the third promise)."""
    return status in (408, 429) or status >= 500


def backoff(attempt: int) -> float:
    """Seconds to wait: they double with each attempt. Half of them is random, so that clients don't return all at once."""
    longest = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempt, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311


def retry_after(header: str | None) -> float:
    """Seconds in a Retry-After header (RFC 9110 section 10.2.3: a number or a date). 0 if there is no valid one."""
    if not header:
        return 0.0
    if header.isascii() and header.isdecimal():
        return min(float(header), MAX_RETRY_AFTER_SECONDS)
    try:
        seconds = (email.utils.parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS)
