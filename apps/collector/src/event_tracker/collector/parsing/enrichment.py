"""Adds properties to events that come from pages, as the setting ENRICH says.

The request's User-Agent and address are read and not stored. Of the first, only the names of families are stored; of the
second, its country, town or network. Libraries and their data are loaded only if they are needed.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from wsgiref.types import WSGIEnvironment

from event_tracker.enrichment import places, traffic_sources, user_agents
from event_tracker.enrichment.addresses import Address, network_of, read_address

KINDS = {
    "browser": "`$browser`, `$os` and `$device`: the families that the User-Agent names, such as Firefox, Windows, iPhone; and "
    "`$device_type`: desktop, mobile, tablet or bot",
    "country": "`$country`: the ISO 3166-1 code of the address's country, by COUNTRY_DATABASE",
    "city": "`$region`, `$city`, `$latitude` and `$longitude`: the address's town, by COUNTRY_DATABASE, if that has towns",
    "network": "`$network`: the address's network, /24 of IPv4 and /48 of IPv6",
    "source": "`$source` (the traffic source) and `$channel` of page views: where the visitor came from, by `utm_*` and the referrer",
}
"""The values of ENRICH, and the properties that they add."""

NEEDS = {"browser": user_agents.PACKAGES, "country": places.PACKAGES, "city": places.PACKAGES}
"""Packages of the extra `enrich`."""

PLACES = ("country", "city")
"""The kinds that need COUNTRY_DATABASE."""

PAGE_VIEW = "page_view"
"""The type of the events that have a source: tracker.js sends them with `referrer`, `host` and `utm_*`."""


class Additions(Protocol):
    """What is added to the events of a request."""

    def at(self, index: int) -> "AddedProperties":
        """What is added to one of them."""


class AddedProperties:
    """What is added to the events of one request, or to those of one visitor.

    Args:
        of_request: properties of all of them.
        with_sources: whether page views get those of their source, too.
        wins: whether an added property replaces one that the event has. Otherwise what the event says itself stays.
    """

    def __init__(
        self, of_request: Mapping[str, str | float], *, with_sources: bool = False, wins: bool = False
    ) -> None:
        self._of_request = of_request
        self._with_sources = with_sources
        self._wins = wins

    def at(self, index: int) -> "AddedProperties":
        """The same for all events of a request."""
        return self

    def add_to(self, event_type: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """An event's properties and the added ones."""
        added = self._of_request
        if self._with_sources and event_type == PAGE_VIEW:
            added = {**added, **_source_of(properties)}
        return {**properties, **added} if self._wins else {**added, **properties}


class Enrichment:
    """Derives the properties that are added to the events of a request.

    Args:
        kinds: keys of KINDS.
        country_database: an MMDB file (MaxMind DB) with the countries, or the towns, of addresses.
    """

    def __init__(self, kinds: Sequence[str], country_database: str, trusted_hops: int) -> None:
        self._trusted_hops = trusted_hops
        self._read_user_agent = user_agents.load_user_agents() if "browser" in kinds else None
        self._locate = places.load_places(country_database) if set(PLACES) & {*kinds} else None
        self._country, self._city, self._network, self._source = (
            kind in kinds for kind in ("country", "city", "network", "source")
        )

    def derive(self, environ: WSGIEnvironment) -> AddedProperties | None:
        """The properties to add. None if no page sent the request: the address of a server says nothing about a user."""
        return self.derive_for(environ, wins=False) if "HTTP_ORIGIN" in environ else None

    def derive_for(
        self, environ: WSGIEnvironment, user_agent: str | None = None, address: str | None = None, *, wins: bool = True
    ) -> AddedProperties:
        """The properties to add to events of a visitor: by what a message says of them, else by the request of their browser.

        Args:
            user_agent: of the visitor, if a message says so.
            address: the same.
            wins: whether they replace what the event has.
        """
        is_page = "HTTP_ORIGIN" in environ
        added: dict[str, str | float] = {}
        if self._read_user_agent and (user_agent is not None or is_page):
            said = environ.get("HTTP_USER_AGENT", "") if user_agent is None else user_agent
            added.update(self._read_user_agent(said).properties())
        if (self._locate or self._network) and (address is not None or is_page):
            found = client_address(environ, self._trusted_hops) if address is None else read_address(address)
            if found is not None:
                added.update(self._of_address(found))
        return AddedProperties(added, with_sources=self._source, wins=wins)

    def _of_address(self, address: Address) -> dict[str, str | float]:
        added: dict[str, str | float] = {"$network": network_of(address)} if self._network else {}
        if self._locate:
            place = self._locate(str(address))
            if self._country and place.country:
                added["$country"] = place.country
            if self._city:
                added.update(place.city_properties())
        return added


def _source_of(properties: Mapping[str, Any]) -> dict[str, str]:
    """`$source` and `$channel` of a page view, by the properties that tracker.js sends."""
    parameters = {name: value for name in traffic_sources.UTM if isinstance(value := properties.get(name), str)}
    referrer, host = properties.get("referrer"), properties.get("host")
    own = [host.lower().partition(":")[0]] if isinstance(host, str) else []
    return traffic_sources.find_source(referrer if isinstance(referrer, str) else None, parameters, own).properties()


def client_address(environ: WSGIEnvironment, trusted_hops: int) -> Address | None:
    """The address of the client; None if it can't be known.

    Args:
        trusted_hops: how many proxies in front add the address of their peer to X-Forwarded-For. The entries further left were
            sent by the client itself, and aren't trusted.
    """
    if not trusted_hops:
        return read_address(environ.get("REMOTE_ADDR", ""))
    hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return read_address(hops[-trusted_hops]) if len(hops) >= trusted_hops else None


def find_mistakes(kinds: Sequence[str], country_database: str) -> dict[str, list[str]]:
    """Mistakes in the settings, by setting."""
    found: dict[str, list[str]] = {}
    missing = [kind for kind in kinds if any(find_spec(package) is None for package in NEEDS.get(kind, ()))]
    if missing:
        why = f"{', '.join(missing)} needs packages: pip install 'event-tracker-collector[enrich]'."
        found["ENRICH"] = [why]
    needs_file = [kind for kind in PLACES if kind in kinds]
    if needs_file and not Path(country_database).is_file():
        found["COUNTRY_DATABASE"] = [f"ENRICH={','.join(needs_file)} needs an MMDB file here."]
    return found
