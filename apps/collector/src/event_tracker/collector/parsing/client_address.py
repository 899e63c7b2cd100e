"""Whose address a request comes from. It is looked at where a setting asks for it, and never kept or logged."""

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

KEPT_BITS = {4: 24, 6: 48}
"""Of an address's network that may be kept, by IP version: one of 256 in IPv4, of a whole site in IPv6."""


def client_address(environ: "WSGIEnvironment", trusted_hops: int) -> Address | None:
    """The address of the client; None if it can't be told.

    Args:
        trusted_hops: how many proxies stand in front that each add, or write, who asked them to X-Forwarded-For. What stands
            further left in it was sent by whoever, and isn't looked at.
    """
    if not trusted_hops:
        return _address(environ.get("REMOTE_ADDR", ""))
    hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return _address(hops[-trusted_hops]) if len(hops) >= trusted_hops else None


def network_of(address: Address) -> str:
    """The network that an address lies in, such as 192.0.2.0/24 or 2001:db8:1::/48."""
    return str(ipaddress.ip_network((address, KEPT_BITS[address.version]), strict=False))


def _address(text: str) -> Address | None:
    """An address as proxies write it: alone, with a port, in brackets."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
