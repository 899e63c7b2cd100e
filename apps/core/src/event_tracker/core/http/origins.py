"""Which origins may send: the origin of a page (RFC 6454 section 6.2), `*` for any, `https://*.shop.example` for its
subdomains, `http://localhost:*` for any port."""

import re
from collections.abc import Collection

MAX_LENGTH = 300
"""Characters of an origin: a host name has 253 at most."""

LABEL = re.compile("[a-z0-9_-]{1,63}")


def allows(allowed: Collection[str], origin: str) -> bool:
    """Whether a request's `Origin` is allowed. `*.` stands for whole labels, one at least: the domain itself doesn't match."""
    if origin in allowed or "*" in allowed or f"{origin.rpartition(':')[0]}:*" in allowed:
        return True
    scheme, _, host = origin.partition("://")
    if len(origin) > MAX_LENGTH:
        return False
    while True:
        label, dot, host = host.partition(".")
        if not (dot and LABEL.fullmatch(label)):
            return False
        if f"{scheme}://*.{host}" in allowed:
            return True
