"""Converts origins as people write them to the form that browsers send. An origin that no browser sends is refused."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

from event_tracker.core.http.origins import LABEL, MAX_LENGTH

DEFAULT_PORTS = {"http": 80, "https": 443}

PARTS = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\\]*?)(?::([0-9]{1,5}))?/?", re.ASCII | re.IGNORECASE)
"""Scheme, host, and optionally a port. A slash may follow, as address bars show it."""

NAMED = re.compile("[A-Za-z0-9._-]+")
"""The host of a scheme other than http(s): a name, or the id of a browser extension."""

SENT_AS_NULL = frozenset({"about", "blob", "data", "file", "javascript"})
NO_PAGES = frozenset({"ftp", "ws", "wss"})


class OriginError(ValueError):
    """No browser sends this origin. The text says why."""


def normalise(origin: str) -> str:
    """The origin as browsers send it: lower case, international domains in punycode, without the scheme's own port.

    Raises:
        OriginError: if browsers never send it.
    """
    if origin in ("*", "null"):
        return origin
    parts = PARTS.fullmatch(origin)
    if len(origin) > MAX_LENGTH or not parts:
        raise OriginError(
            "Must be an origin, such as https://shop.example (scheme, host and perhaps a port, no path); *, or null."
        )
    scheme, host, port = parts[1].lower(), parts[2], int(parts[3] or 0)
    if scheme in SENT_AS_NULL:
        raise OriginError(f"Pages of {scheme}: send the origin null.")
    if scheme in NO_PAGES:
        raise OriginError(f"No page has the scheme {scheme}; it may be http or https.")
    if port > 65_535 or (parts[3] and not port):
        raise OriginError("Must have a port from 1 to 65535, or none.")
    if scheme in DEFAULT_PORTS:
        host = _host(host)
    elif not NAMED.fullmatch(host):
        raise OriginError(f"Must have a name behind {scheme}://, without wildcards.")
    return f"{scheme}://{host}:{port}" if port and port != DEFAULT_PORTS.get(scheme) else f"{scheme}://{host}"


def _host(host: str) -> str:
    """The host of an http(s) origin, as browsers write it. A leading `*.` is kept."""
    start, name = ("*.", host[2:]) if host.startswith("*.") else ("", host)
    if "*" in name:
        raise OriginError("A wildcard may only stand for subdomains, as in https://*.shop.example.")
    try:
        if name.startswith("["):
            name = f"[{IPv6Address(name.removeprefix('[').removesuffix(']')).compressed}]"
            is_address = True
        elif name.rpartition(".")[2].isdecimal():
            name = str(IPv4Address(name))
            is_address = True
        else:
            name = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
            is_address = False
    except AddressValueError:
        raise OriginError("The host isn't an IP address, though it looks like one.") from None
    except idna.IDNAError as error:
        raise OriginError(f"The host isn't an international domain name: {error}.") from None
    if is_address:
        if start:
            raise OriginError("An IP address has no subdomains.")
    elif len(name) > 253 or not all(map(LABEL.fullmatch, name.removesuffix(".").split("."))):
        raise OriginError("The host isn't a domain name.")
    return start + name
