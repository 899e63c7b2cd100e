"""Addresses as text, and the networks that they lie in."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

KEPT_BITS = {4: 24, 6: 48}
"""Bits of an address that may be stored, by IP version: a network of 256 addresses in IPv4, a whole site in IPv6."""


def read_address(text: str) -> Address | None:
    """An address as proxies and logs write it: alone, with a port, in brackets. None if it isn't one."""
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


def network_of(address: Address) -> str:
    """The network that an address lies in, such as 192.0.2.0/24 or 2001:db8:1::/48."""
    return str(ipaddress.ip_network((address, KEPT_BITS[address.version]), strict=False))
