"""Makes an event of a request: its type is the request's kind, its user the visitor.

Page views have the property names that tracker.js gives them (`page`, `host`, `referrer`, `utm_*`) and those that the collector adds
(`ENRICH`), so that the same questions are about both.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from event_tracker.cli.ingest.logs.kinds import DOWNLOAD, PAGE_VIEW, kind_of
from event_tracker.cli.ingest.logs.options import LogOptions
from event_tracker.cli.ingest.logs.pages import name_page, read_parameters, read_path
from event_tracker.cli.ingest.logs.request import Request
from event_tracker.cli.ingest.logs.visitors import Visitors
from event_tracker.enrichment import places
from event_tracker.enrichment.traffic_sources import CLICK_IDS, INTERNAL, UTM, TrafficSource, find_source, host_of
from event_tracker.enrichment.user_agents import UserAgent, load_user_agents

NAMESPACE = uuid.UUID("6f1e9a52-7f0b-5b7e-9d53-1f0a3c3b7c11")
"""Of ids made from request ids. Never change it: every request that was ever sent would become a new event."""

MAX_VALUE = 500
"""Characters of a parameter's value, as in tracker.js."""

MAX_TEXT = 200
"""Characters of other texts, and of user ids."""

REFERRER_SCHEMES = frozenset(["http", "https", "android-app", "ios-app"])
"""Of referrers that are stored. A client can send any text."""

NO_USER_AGENT = UserAgent(None, None, None, None)

EMPTY_USER_AGENT = UserAgent(None, None, None, "bot")
"""Every browser names itself."""


class ConvertedRequest(NamedTuple):
    """What became of a request.

    Attributes:
        kind: of the request.
        event: its JSON; None if requests of this kind are left out.
    """

    kind: str
    event: bytes | None


class EventMaker:
    """Makes events of the requests of logs.

    Raises:
        OSError, ValueError: if the file of countries can't be read.
    """

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._visitors = (
            Visitors(options.secret, options.period, ipv6_networks=options.ipv6_networks) if options.secret else None
        )
        self._read_user_agent = load_user_agents()
        self._locate = places.load_places(str(options.country_database)) if options.country_database else None
        self._wanted = frozenset({*UTM, *CLICK_IDS, *options.parameters, *options.page_parameters})
        self._encode = msgspec.json.Encoder().encode
        self._find_source: Callable[[str | None, str], TrafficSource] = lru_cache(5000)(self._find_uncached)

    def make(self, request: Request) -> ConvertedRequest:
        """Make the event of a request.

        With a request id the event has an id, and a time in whole seconds, which depend on nothing else: formats that log one request
        give the same. Without one, whoever sends it must give it an id.
        """
        agent = self._agent_of(request.user_agent)
        kind = kind_of(request, is_bot=agent.is_bot, api_paths=self._options.api_paths)
        if not self._options.is_stored(kind):
            return ConvertedRequest(kind, None)
        event: dict[str, Any] = {"user_id": self._user_of(request), "event_type": kind, "timestamp": request.time}
        if request.request_id:
            event["timestamp"] = request.time.replace(microsecond=0)
            event["event_id"] = event_id_of(request.request_id)
        event["properties"] = self._properties(request, kind, agent)
        return ConvertedRequest(kind, self._encode(event))

    def _agent_of(self, user_agent: str | None) -> UserAgent:
        if user_agent is None:
            return NO_USER_AGENT
        return self._read_user_agent(user_agent) if user_agent.strip() else EMPTY_USER_AGENT

    def _user_of(self, request: Request) -> str:
        if self._options.users == "names" and request.user:
            return request.user[:MAX_TEXT]
        if self._visitors is None:
            return (request.address or "unknown")[:MAX_TEXT]
        return self._visitors.identify(self._host_of(request), request.address, request.user_agent, request.time)

    def _host_of(self, request: Request) -> str | None:
        return (request.host or self._options.host or "")[:MAX_TEXT] or None

    def _properties(self, request: Request, kind: str, agent: UserAgent) -> dict[str, Any]:
        host = self._host_of(request)
        given = {
            "page": read_path(request.path, strip_slash=self._options.strip_slash) if request.path else None,
            "host": host,
            "method": None if request.method == "GET" else request.method and request.method[:MAX_TEXT],
            "status": request.status,
            "bytes": request.bytes,
            "seconds": request.seconds,
            "edge_location": request.edge_location,
            "edge_result": request.edge_result,
        }
        properties = {name: value for name, value in given.items() if value is not None}
        parameters = read_parameters(request.query, self._wanted)
        if parameters:
            self._add_parameters(properties, parameters)
        source = self._find_source(request.referrer, host or "")
        if request.referrer and source != INTERNAL and (referrer := _shorten_referrer(request.referrer)):
            properties["referrer"] = referrer
        if kind in (PAGE_VIEW, DOWNLOAD):
            if parameters:
                source = find_source(request.referrer, parameters, self._own_hosts(host or ""))
            properties.update(source.properties())
        properties.update(agent.properties())
        self._add_place(properties, request)
        return properties

    def _add_parameters(self, properties: dict[str, Any], parameters: Mapping[str, str]) -> None:
        options = self._options
        if "page" in properties:
            properties["page"] = name_page(properties["page"], parameters, options.page_parameters)
        campaign = {name: parameters[name].strip().lower() for name in UTM if name in parameters}
        chosen = {name: parameters[name] for name in options.parameters if name in parameters}
        properties.update({name: value[:MAX_VALUE] for name, value in (campaign | chosen).items() if value})

    def _own_hosts(self, host: str) -> tuple[str, ...]:
        return (*self._options.own_hosts, host) if host else self._options.own_hosts

    def _find_uncached(self, referrer: str | None, host: str) -> TrafficSource:
        return find_source(referrer, {}, self._own_hosts(host))

    def _add_place(self, properties: dict[str, Any], request: Request) -> None:
        country = request.country
        if self._locate and request.address:
            place = self._locate(request.address)
            country = country or place.country
            if self._options.cities:
                properties.update(place.city_properties())
        if country:
            properties["$country"] = country


def event_id_of(request_id: str) -> str:
    """The id of the event of a request: a UUIDv5."""
    name = NAMESPACE.bytes + request_id.encode()
    return str(uuid.UUID(bytes=hashlib.sha1(name, usedforsecurity=False).digest()[:16], version=5))


def _shorten_referrer(referrer: str) -> str | None:
    """A referrer without path and query: what most sites' pages send of themselves to other sites."""
    host = host_of(referrer)
    scheme = referrer.partition(":")[0].lower()
    return f"{scheme}://{host}/" if host and scheme in REFERRER_SCHEMES else None
