"""What page views are listed by, and the filters that rows of such lists are."""

from collections.abc import Sequence
from typing import NamedTuple

from event_tracker.dashboard.charts import countries, links, numbers
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.filters import filters, grammar, properties
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.filters.grammar import Condition


class Dimension(NamedTuple):
    """What a list is by.

    Attributes:
        name: of the list, among those of its panel.
        heading: of the list's first column.
        by: the parameter of /stats/web/top.
        property: by which a row filters; "" if none has the keys.
        edge: `entry` or `exit` if a row filters the sessions that begin or end so; "" if it filters page views.
    """

    name: str
    heading: str
    by: str
    property: str
    edge: str = ""


PAGE = Dimension("Top", "Page", "page", "page")
ENTRY = Dimension("Entry", "Entry page", "entry", "page", "entry")
EXIT = Dimension("Exit", "Exit page", "exit", "page", "exit")
TITLE = Dimension("Title", "Title", "title", "")
SOURCE = Dimension("Source", "Source", "source", "$source")
CHANNEL = Dimension("Channel", "Channel", "channel", "$channel")
REFERRER = Dimension("Referrer", "Referrer", "referrer", "referrer")
CAMPAIGN = Dimension("Campaign", "Campaign", "campaign", "utm_campaign")
COUNTRY = Dimension("Country", "Country", "country", "$country")
REGION = Dimension("Region", "Region", "region", "$region")
CITY = Dimension("City", "City", "city", "$city")
BROWSER = Dimension("Browser", "Browser", "browser", "$browser")
SYSTEM = Dimension("System", "System", "os", "$os")
DEVICE = Dimension("Device", "Device", "device_type", "$device_type")

DERIVED = (SOURCE, CHANNEL)
"""The query service derives their keys from other properties, if page views don't have these."""


def names(dimension: Dimension, rows: Sequence[Answer]) -> list[str]:
    """What the rows of /stats/web/top are called."""
    words = [numbers.MISSING if row["key"] is None else _label(dimension, row["key"]) for row in rows]
    return numbers.make_distinct(words, [row["key"] is None for row in rows])


def _label(dimension: Dimension, key: str) -> str:
    return countries.NAMES.get(key, key) if dimension == COUNTRY else key


def bars(rows: Sequence[Answer]) -> list[float]:
    """The lengths of the rows' bars: their visitors, as a part of the most."""
    most = max((row["visitors"] for row in rows), default=0)
    return [row["visitors"] / most for row in rows] if most else []


def url(page: str, dimension: Dimension, key: str | None, chosen: Filters) -> str | None:
    """The URL of the page with a filter for a row; None if there is no such filter."""
    if not dimension.property or (dimension in DERIVED and dimension.property not in properties.names(chosen)):
        return None
    field = grammar.property_field(dimension.property)
    condition = Condition(field, "not_set") if key is None else grammar.equals(field, key)
    part = grammar.make_edge(dimension.edge, condition) if dimension.edge else condition
    return links.with_choices(page, filter=filters.with_conditions(part))
