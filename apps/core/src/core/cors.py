"""Cross-origin requests (Fetch standard, section 3.2): off unless origins are named."""

from collections.abc import Collection

ALLOW_HEADERS = "Authorization, Content-Type, Content-Encoding, X-Request-ID, X-Write-Key"
EXPOSE_HEADERS = "Date, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
MAX_AGE_SECONDS = 3600

ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
"""On an answer that is the same for everyone and cached: it must not be kept by browsers as one that they may not read."""


def cors_headers(origin: str | None, allowed: Collection[str]) -> list[tuple[str, str]]:
    """Headers for the answer to a request from `origin`; none that allow it where it isn't, and the browser refuses it."""
    if not allowed:
        return []
    vary = ("Vary", "Origin")
    if origin is None or not (origin in allowed or "*" in allowed):
        return [vary]
    # The origin is echoed, never `*`: navigator.sendBeacon sends credentials, and browsers refuse `*` for those.
    return [
        vary,
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", EXPOSE_HEADERS),
    ]


def preflight_headers(methods: str) -> list[tuple[str, str]]:
    """What the answer to a preflight adds to `cors_headers`."""
    return [
        ("Access-Control-Allow-Methods", methods),
        ("Access-Control-Allow-Headers", ALLOW_HEADERS),
        ("Access-Control-Max-Age", str(MAX_AGE_SECONDS)),
    ]
