"""Reads the addresses and hosts of logs."""

import socket
from typing import Any

from event_tracker.cli.ingest.logs.parsers.fields import cache_short, text_or_none


@cache_short
def without_port(text: str) -> str:
    """An address or a host without its port and brackets. IPv6 is written short, so that one address is one text."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if ":" not in text:
        return text
    text = text.partition("%")[0]  # the interface, of a link-local address
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    except (OSError, ValueError):
        return text


def parse_host(text: Any) -> str | None:
    """A site's name in lower case, without a port."""
    host = text_or_none(text)
    return (without_port(host.strip().lower()).rstrip(".") or None) if host else None


@cache_short
def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def client_address(connection: str | None, forwarded: str | None, trusted_hops: int) -> str | None:
    """The client's address.

    Args:
        connection: the address that the server was connected from, perhaps with a port.
        forwarded: the addresses that proxies added (X-Forwarded-For), separated by commas. Clients can put anything in front.
        trusted_hops: how many of all these addresses, counted from the right, are of trusted proxies.
    """
    if not forwarded or (trusted_hops == 0 and connection):
        return without_port(connection) if connection else None
    addresses = [without_port(text.strip()) for text in forwarded.split(",")]
    if connection:
        addresses.append(without_port(connection))
    claimed = max(len(addresses) - 1 - trusted_hops, 0)
    # A proxy may write "unknown". Then the nearest address that is known is better than none.
    return next(filter(is_address, addresses[claimed:]), addresses[-1] or None)
