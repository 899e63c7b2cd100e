"""The map of the page Web: visitors by country, in the browser's own drawing, with no request to another host.

It stands on the page Web and isn't a page of its own, so that a click on a country is seen to filter all that is above it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from event_tracker.dashboard.charts import charts, countries, numbers, style
from event_tracker.dashboard.client.api import Answer, Later
from event_tracker.dashboard.filters import filters, grammar
from event_tracker.dashboard.filters.filters import Filters

COUNTRIES = 300
"""More than there are."""

PIXELS = 400

LAND = {"light": "#e3e8ef", "dark": "#2a323d"}
"""Countries without visitors."""

BORDERS = {"light": "#ffffff", "dark": "#11151b"}

RAMP = slice(2, None)
"""Of the theme's sequence of colours: without the first ones, which look like land without visitors."""

CLICKED = ("area", "point")
"""The selections of the map's two layers with visitors."""


class View(NamedTuple):
    """A part of the world: the middle of the map, and how many times larger it is than on a map of the world."""

    longitude: float
    latitude: float
    zoom: float


VIEWS = {
    "World": View(11, 14, 1),
    "Europe": View(14, 52, 3.7),
    "Asia": View(90, 28, 2.1),
    "Africa": View(18, 1, 2.2),
    "North America": View(-95, 42, 2.2),
    "South America": View(-62, -20, 2.2),
    "Oceania": View(150, -22, 2.6),
}


def ask_countries(later: Later[Answer], chosen: Filters) -> Callable[[], Answer]:
    """Send the request for `show`."""
    return later("/stats/web/top", by="country", limit=COUNTRIES, **chosen.parameters)


def show(chosen: Filters, answer: Answer) -> None:
    """Draw the map, and its table."""
    st.header("Map", anchor=False)
    rows = [row for row in answer["rows"] if row["key"] is not None]
    if not rows:
        st.caption(
            "The page views don't say from which country they are. The collector adds that with ENRICH=country "
            "(docs/configuration.md)."
        )
        return
    view = st.segmented_control(
        "Part of the world", list(VIEWS), default="World", required=True, key="world", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    # A country stays selected in a map of the same key, and a second click on it wouldn't select it.
    key = f"map {hash(tuple(chosen.filters))}"

    def filter_by_country() -> None:
        selection = st.session_state[key]["selection"]
        for clicked in [one for name in CLICKED for one in selection.get(name, [])][:1]:
            filters.add(grammar.equals(grammar.property_field("$country"), clicked["id"]))

    st.vega_lite_chart(
        make_map(rows, VIEWS[str(view or "World")]), key=key, on_select=filter_by_country, selection_mode=CLICKED
    )
    missing = sum(row["visitors"] for row in answer["rows"] if row["key"] is None)
    elsewhere = [row for row in rows if row["key"] not in countries.ON_MAP]
    sentences = ["Visitors by country. Click a country to filter by it; the list Places can do the same."]
    if missing:
        sentences.append(f"{numbers.counted(missing, 'visitor')} without a country.")
    if elsewhere:
        sentences.append(f"Not on the map: {', '.join(_name(row['key']) for row in elsewhere)}.")
    st.caption(" ".join(sentences))
    charts.as_table(
        [
            {
                "Country": _name(row["key"]),
                "Code": row["key"],
                "Visitors": row["visitors"],
                "Page views": row["page_views"],
            }
            for row in rows
        ],
        "The map as a table",
    )


def _name(key: str) -> str:
    return countries.NAMES.get(key, key)


def make_map(rows: list[Answer], view: View) -> dict[str, Any]:
    """A map in Vega-Lite's form. Its areas are the browser's to fetch (`countries.PATH`), once.

    Args:
        rows: of /stats/web/top by country.
    """
    theme = style.theme()
    known = [
        {
            "id": row["key"],
            "name": _name(row["key"]),
            "visitors": row["visitors"],
            "views": row["page_views"],
            "label": f"{_name(row['key'])}: {numbers.counted(row['visitors'], 'visitor')}",
        }
        for row in rows
    ]
    ramp = list(st.get_option(f"theme.{theme}.chartSequentialColors"))[RAMP]
    colour = {
        "field": "visitors",
        "type": "quantitative",
        "title": "Visitors",
        # Most countries have few visitors: their differences would be too small to be seen on a linear scale.
        "scale": {"type": "sqrt", "domainMin": 0, "range": ramp},
        "legend": {
            "orient": "bottom-left",
            "direction": "horizontal",
            "tickCount": 3,
            "format": ",~f",
            "titleFontWeight": 400,
        },
    }
    tooltip = [
        {"field": "name", "title": "Country"},
        {"field": "visitors", "type": "quantitative", "title": "Visitors", "format": ","},
        {"field": "views", "type": "quantitative", "title": "Page views", "format": ","},
    ]
    border = {"stroke": BORDERS[theme], "strokeWidth": 0.5, "clip": True}
    visited: list[dict[str, Any]] = [
        {
            "data": _areas(name),
            "transform": _with_numbers([one for one in known if (one["id"] in countries.SMALL) == (name == "small")]),
            "params": [{"name": clicked, "select": {"type": "point", "fields": ["id"], "toggle": False}}],
            "mark": {**border, "type": "geoshape", "cursor": "pointer"},
            "encoding": {"color": colour, "tooltip": tooltip, "description": {"field": "label"}},
        }
        for name, clicked in zip(("countries", "small"), CLICKED, strict=True)
    ]
    return {
        "height": PIXELS,
        "projection": {
            "type": "equalEarth",
            "rotate": [-view.longitude, 0],
            "center": [0, view.latitude],
            "scale": {"expr": f"{view.zoom} * min(width / 5.5, height / 2.35)"},
            "translate": {"expr": "[width / 2, height / 2]"},
        },
        "layer": [
            {"data": _areas("countries"), "mark": {**border, "type": "geoshape", "fill": LAND[theme], "aria": False}},
            *visited,
        ],
        "config": {"view": {"stroke": None}},
    }


def _areas(name: str) -> dict[str, Any]:
    return {"url": countries.PATH, "format": {"type": "topojson", "feature": name}}


def _with_numbers(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only the countries with visitors, with their numbers."""
    looked_up = {"data": {"values": known}, "key": "id", "fields": ["name", "visitors", "views", "label"]}
    return [{"lookup": "id", "from": looked_up}, {"filter": "isValid(datum.visitors)"}]
