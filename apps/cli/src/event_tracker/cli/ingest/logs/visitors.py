"""Gives the visitors of a site ids that are the same each time a log is read, without storing an address.

An id is a hash, with a secret key, of the site's host, the address and the user agent. Without the key nobody can try all addresses.
Visitors are pseudonymous: who has the key and an address can find what that visitor did.
"""

import hmac
from datetime import UTC, datetime
from functools import lru_cache

from event_tracker.enrichment.addresses import read_address

PERIODS = {
    "never": "a visitor has one id as long as the secret stays",
    "month": "a new id each calendar month (UTC)",
    "day": "a new id each day (UTC)",
}
"""How often a visitor gets a new id."""

ID_BYTES = 15
"""Bytes of the hash that an id has: that any two of a thousand million visitors share one has a probability below 1 in 10^18."""

IPV6_BYTES = {False: 16, True: 8}
"""Bytes of an IPv6 address that count, by whether it is the network alone (/64)."""

MAX_CACHED = 20_000
"""Addresses whose bytes are cached."""


class Visitors:
    """Makes the ids.

    Args:
        secret: the key; with another one all ids are others.
        period: of PERIODS. The key of a period is made from the secret and the request's own date, so a log that is read again later
            gives the same ids.
        ipv6_networks: of IPv6 addresses, only the first 64 bits count: a device changes the others each day, and devices of one
            household share the first.
    """

    def __init__(self, secret: str, period: str = "never", *, ipv6_networks: bool = False) -> None:
        self._secret = secret.encode()
        self._format = {"never": "", "month": "%Y-%m", "day": "%Y-%m-%d"}[period]
        self._ipv6_bytes = IPV6_BYTES[ipv6_networks]
        self._key = lru_cache(1000)(self._make_key)
        self._pack = lru_cache(MAX_CACHED)(self._pack_address)

    def identify(self, host: str | None, address: str | None, user_agent: str | None, time: datetime) -> str:
        """The id of a visitor: `v` and 30 hexadecimal digits."""
        key = self._key(time.astimezone(UTC).strftime(self._format) if self._format else "")
        parts = ((host or "").encode(), self._pack(address or ""), (user_agent or "").encode())
        return "v" + hmac.digest(key, b"\0".join(parts), "sha256")[:ID_BYTES].hex()

    def _make_key(self, period: str) -> bytes:
        return hmac.digest(self._secret, period.encode(), "sha256")

    def _pack_address(self, text: str) -> bytes:
        """An address as bytes, however it is written; a host name as text."""
        address = read_address(text)
        if address is None:
            return text.encode()
        return address.packed if address.version == 4 else address.packed[: self._ipv6_bytes]
