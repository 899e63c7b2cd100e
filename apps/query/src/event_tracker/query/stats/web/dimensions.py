"""What page views are listed by, and the SQL of its keys.

A dimension is one of page views, such as the page, or one of sessions: of their first page view, such as where the visitor came from, or
of their last.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.stats.columns.selection import Parameters

PARTS = load_queries("event_tracker.query.stats.web", "dimensions.sql")

Of = Literal["views", "first", "last"]


class WebDimension(NamedTuple):
    """A dimension.

    Attributes:
        of: whether each page view has its own key, or sessions have that of their first page view, or of their last.
        build: the SQL of a page view's key. It has the statement read the properties that it needs.
        description: the key, for the documentation.
    """

    of: Of
    build: Callable[[Parameters], str]
    description: str


def build_number(value: str) -> str:
    """The number that a property's text is; null of other texts."""
    return PARTS["number"].format(value=value)


def build_whole_number(value: str) -> str:
    """The same of a whole number of up to 15 digits that isn't negative."""
    return PARTS["whole_number"].format(value=value)


def _property(name: str, of: Of = "views", where: str = "") -> WebDimension:
    return WebDimension(of, lambda parameters: parameters.read_property(name), f"the property `{name}`{where}")


def _first(name: str) -> WebDimension:
    return _property(name, "first", " of a session's first page view")


def _host(parameters: Parameters) -> str:
    return PARTS["host"].format(url=parameters.read_property("referrer"))


def _text(parameters: Parameters, name: str) -> str:
    return PARTS["text"].format(value=parameters.read_property(name))


def _source(parameters: Parameters) -> str:
    source, named = parameters.read_property("$source"), _text(parameters, "utm_source")
    return PARTS["source"].format(source=source, named=named, host=_host(parameters))


def _channel(parameters: Parameters) -> str:
    campaign = " or ".join(
        f"{_text(parameters, name)} is not null" for name in ("utm_source", "utm_medium", "utm_campaign")
    )
    channel = parameters.read_property("$channel")
    return PARTS["channel"].format(channel=channel, is_campaign=campaign, host=_host(parameters))


def _location(parameters: Parameters) -> str:
    latitude, longitude, city = map(parameters.read_property, ("$latitude", "$longitude", "$city"))
    return PARTS["location"].format(latitude=latitude, longitude=longitude, city=city)


DIMENSIONS = {
    "page": _property("page"),
    "entry": _property("page", "first", " of a session's first page view"),
    "exit": _property("page", "last", " of a session's last page view"),
    "host": _property("host"),
    "source": WebDimension(
        "first",
        _source,
        "of a session's first page view `$source`, or else `utm_source`, the referrer's host, or `direct`",
    ),
    "channel": WebDimension(
        "first",
        _channel,
        "of a session's first page view `$channel`, or else `campaign` with `utm_*`, `site` with a referrer, or `direct`",
    ),
    "referrer": _first("referrer"),
    "campaign": _first("utm_campaign"),
    "medium": _first("utm_medium"),
    "term": _first("utm_term"),
    "content": _first("utm_content"),
    "country": _property("$country"),
    "region": _property("$region"),
    "city": _property("$city"),
    "location": WebDimension(
        "views", _location, "`$latitude`, a comma, `$longitude`, and with `$city` a space and that"
    ),
    "browser": _property("$browser"),
    "os": _property("$os"),
    "device": _property("$device"),
    "device_type": _property("$device_type"),
    "status": _property("status"),
    "edge_result": _property("edge_result"),
    "edge_location": _property("edge_location"),
}
"""By the words of the parameter `by`."""
