"""When a request is sent again, and how long to wait before that.

urllib3's own Retry isn't used. It waits exactly as long as Retry-After says, but the API says: at least as long. And it limits
the number of attempts, while a user wants to limit how long they last.
"""

import email.utils
import random
from datetime import UTC, datetime
from http import HTTPStatus

PATIENCE_SECONDS = 60.0
"""For how long a request is tried again, unless the user says otherwise."""

FIRST_WAIT_SECONDS = 0.25
MAX_WAIT_SECONDS = 3.0
"""A service is back within seconds of a restart. A longer wait would only delay the user."""


def is_temporary(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500


def backoff(attempt: int, max_seconds: float = MAX_WAIT_SECONDS) -> float:
    """Seconds to wait: they double with each attempt. Half of them is random, so that clients don't return all at once."""
    seconds = min(max_seconds, FIRST_WAIT_SECONDS * 2.0 ** min(attempt, 16))
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311


def retry_after(header: str | None) -> float:
    """Seconds in a Retry-After header (RFC 9110 section 10.2.3: a number or a date). 0 if there is no valid one."""
    if not header:
        return 0.0
    if header.isdecimal():
        return float(header)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
