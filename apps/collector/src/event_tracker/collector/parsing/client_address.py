"""The client's address. It is read only if a setting asks for it, and never stored or logged."""

import ipaddress
from wsgiref.types import WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

KEPT_BITS = {4: 24, 6: 48}
"""Bits of an address that may be stored, by IP version: a network of 256 addresses in IPv4, a whole site in IPv6."""


def client_address(environ: WSGIEnvironment, trusted_hops: int) -> Address | None:
    """The address of the client; None if it can't be known.

    Args:
        trusted_hops: how many proxies in front add the address of their peer to X-Forwarded-For. The entries further left were
            sent by the client itself, and aren't trusted.
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
