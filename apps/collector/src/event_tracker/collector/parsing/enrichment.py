"""Adds properties to events that come from pages, as the setting ENRICH says.

The request's User-Agent and address are read and not stored. Of the first, only the names of families are stored; of the
second, its country or network. Libraries and their data are loaded only if they are needed.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIEnvironment

KINDS = {
    "browser": "`$browser`, `$os` and `$device`: the families that the User-Agent names, such as Firefox, Windows, iPhone",
    "country": "`$country`: the ISO 3166-1 code of the address's country, by COUNTRY_DATABASE",
    "network": "`$network`: the address's network, /24 of IPv4 and /48 of IPv6",
}
"""The values of ENRICH, and the properties that they add."""

NEEDS = {"browser": "ua_parser_rs", "country": "maxminddb"}
"""Packages of the extra `enrich`."""

MOST_CHARACTERS = 500
"""Characters of a User-Agent that are read."""

REMEMBERED = 5000
"""User-Agents whose families are cached: parsing one takes as long as reading some thirty events."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

KEPT_BITS = {4: 24, 6: 48}
"""Bits of an address that may be stored, by IP version: a network of 256 addresses in IPv4, a whole site in IPv6."""

AddedProperties = Mapping[str, str]
"""Properties, by name."""

NO_PROPERTIES: AddedProperties = {}


class Enrichment:
    """Derives the properties that are added to the events of a request.

    Args:
        kinds: keys of KINDS.
        country_database: an MMDB file (MaxMind DB) with the countries of addresses.
    """

    def __init__(self, kinds: Sequence[str], country_database: str, trusted_hops: int) -> None:
        self._trusted_hops = trusted_hops
        self._families = _load_families() if "browser" in kinds else None
        self._country = _load_countries(country_database) if "country" in kinds else None
        self._network = "network" in kinds
        self._addresses = bool(self._country or self._network)

    def derive(self, environ: WSGIEnvironment) -> AddedProperties:
        """The properties to add. None if no page sent the request: the address of a server says nothing about a user."""
        if "HTTP_ORIGIN" not in environ:
            return NO_PROPERTIES
        added: dict[str, str] = {}
        if self._families:
            # A family may be text from the header, and PostgreSQL can't store U+0000.
            user_agent = environ.get("HTTP_USER_AGENT", "")[:MOST_CHARACTERS].replace("\0", "")
            added.update(self._families(user_agent))
        address = client_address(environ, self._trusted_hops) if self._addresses else None
        if address is not None:
            if self._network:
                added["$network"] = network_of(address)
            if self._country and (country := self._country(str(address))):
                added["$country"] = country
        return added


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


def find_mistakes(kinds: Sequence[str], country_database: str) -> dict[str, list[str]]:
    """Mistakes in the settings, by setting."""
    found: dict[str, list[str]] = {}
    missing = [kind for kind in kinds if kind in NEEDS and find_spec(NEEDS[kind]) is None]
    if missing:
        why = f"{', '.join(missing)} needs packages: pip install 'event-tracker-collector[enrich]'."
        found["ENRICH"] = [why]
    if "country" in kinds and not Path(country_database).is_file():
        found["COUNTRY_DATABASE"] = ["ENRICH=country needs an MMDB file here."]
    return found


def _load_families() -> Callable[[str], AddedProperties]:
    """Load a function from a User-Agent to families. Its rules take some 33 MiB and a second."""
    from ua_parser import Parser
    from ua_parser.loaders import load_builtins
    from ua_parser.regex import Resolver

    parser = Parser(Resolver(load_builtins()))

    @lru_cache(REMEMBERED)
    def families(user_agent: str) -> AddedProperties:
        found = parser.parse(user_agent)
        parts = {"$browser": found.user_agent, "$os": found.os, "$device": found.device}
        return {name: part.family for name, part in parts.items() if part is not None}

    return families


def _load_countries(file: str) -> Callable[[str], str | None]:
    """Load a function from an address to a country's code. The file is mapped into memory."""
    import maxminddb

    reader = maxminddb.open_database(file)

    def country(address: str) -> str | None:
        try:
            found: Any = reader.get(address)
        except ValueError:  # an IPv6 address, in a file that has IPv4 alone
            return None
        # Country and city databases of MaxMind and DB-IP have an object here, IPinfo's has the code.
        found = found.get("country") if isinstance(found, dict) else None
        code = found.get("iso_code") if isinstance(found, dict) else found
        return code if isinstance(code, str) else None

    return country


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
