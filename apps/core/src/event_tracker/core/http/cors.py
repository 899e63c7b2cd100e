"""Cross-origin requests (Fetch standard, section 3.2): off unless origins are named."""

import re
from collections.abc import Collection

from event_tracker.core.http.origins import allows

ALLOW_HEADERS = "Authorization, Content-Type, Content-Encoding, X-Request-ID, X-Write-Key"
TRACING_HEADERS = "baggage, sentry-trace, traceparent, tracestate"
MAX_REQUESTED_LENGTH = 1024
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
EXPOSE_HEADERS = "Date, ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
MAX_AGE_SECONDS = 3600

ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
"""For an answer that is cached and the same for everyone: a browser must not cache it as one that a page may not read."""


def cors_headers(origin: str | None, allowed: Collection[str]) -> list[tuple[str, str]]:
    """CORS headers for the answer to a request from `origin`. If it isn't allowed, no header allows it, and the browser refuses.

    Where no origin is allowed, an answer needs none of them, not even `Vary`.
    """
    vary = ("Vary", "Origin")
    if origin is None or not allows(allowed, origin):
        return [vary]
    # The origin is echoed, never `*`: navigator.sendBeacon sends credentials, and browsers refuse `*` for those.
    return [
        vary,
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", EXPOSE_HEADERS),
    ]


def preflight_headers(methods: str, requested: str = "") -> list[tuple[str, str]]:
    """What the answer to a preflight adds to `cors_headers`; `requested` is its Access-Control-Request-Headers.

    Every requested header is allowed: agents and error trackers add headers to all requests of a page, and the browser drops
    a request with a header that isn't allowed. This is safe: only `Origin` says where a request comes from, and no page can set it.
    """
    names = [name.strip() for name in requested.split(",")] if len(requested) <= MAX_REQUESTED_LENGTH else []
    return [
        ("Vary", "Access-Control-Request-Headers"),
        ("Access-Control-Allow-Methods", methods),
        (
            "Access-Control-Allow-Headers",
            ", ".join([ALLOW_HEADERS, TRACING_HEADERS, *filter(HEADER_NAME.fullmatch, names)]),
        ),
        ("Access-Control-Max-Age", str(MAX_AGE_SECONDS)),
    ]
