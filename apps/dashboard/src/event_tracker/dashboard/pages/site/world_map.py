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

CITY = "city"
CLICKED = ("area", "point", CITY)
"""The selections of the map's layers with visitors: countries, those that are too small to be seen, and cities."""

CITIES = 200
"""The most points."""

CITY_COLOUR = {"light": "#d55e00", "dark": "#e69f00"}


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


Asked = tuple[Callable[[], Answer], Callable[[], Answer]]


def ask_places(later: Later[Answer], chosen: Filters) -> Asked:
    """Send the requests for `show`."""
    return (
        later("/stats/web/top", by="country", limit=COUNTRIES, **chosen.parameters),
        later("/stats/web/top", by="location", limit=CITIES, **chosen.parameters),
    )


def show(chosen: Filters, asked: Asked) -> None:
    """Draw the map, and its table."""
    st.header("Map", anchor=False)
    answer, located = (one() for one in asked)
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
    cities = read_cities(located["rows"])
    # A country stays selected in a map of the same key, and a second click on it wouldn't select it.
    key = f"map {hash(tuple(chosen.filters))}"

    def filter_by_place() -> None:
        selection = st.session_state[key]["selection"]
        # The selections of the other layers have an object without members.
        for clicked in [one for name in CLICKED for one in selection.get(name, []) if one][:1]:
            field, value = ("$city", clicked["city"]) if "city" in clicked else ("$country", clicked["id"])
            filters.add(grammar.equals(grammar.property_field(field), value))

    shown = make_map(rows, cities, VIEWS[str(view or "World")])
    selections = CLICKED if cities else CLICKED[:2]
    st.vega_lite_chart(shown, key=key, on_select=filter_by_place, selection_mode=selections)
    missing = sum(row["visitors"] for row in answer["rows"] if row["key"] is None)
    elsewhere = [row for row in rows if row["key"] not in countries.ON_MAP]
    what = "a country or a city" if cities else "a country"
    sentences = [f"Visitors by country. Click {what} to filter by it; the list Places can do the same."]
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


def read_cities(rows: list[Answer]) -> list[dict[str, Any]]:
    """The cities of /stats/web/top by location: those whose keys are two numbers on the globe, and a name."""
    found = []
    for row in rows:
        place, _, name = (row["key"] or "").partition(" ")
        try:
            latitude, longitude = map(float, place.split(","))
        except ValueError:
            continue
        if name and abs(latitude) <= 90 and abs(longitude) <= 180:
            label = f"{name}: {numbers.counted(row['visitors'], 'visitor')}"
            at = {"latitude": latitude, "longitude": longitude}
            found.append({"city": name, **at, "people": row["visitors"], "views": row["page_views"], "label": label})
    return found


def make_map(rows: list[Answer], cities: list[dict[str, Any]], view: View) -> dict[str, Any]:
    """A map in Vega-Lite's form. Its areas are the browser's to fetch (`countries.PATH`), once.

    Args:
        rows: of /stats/web/top by country.
        cities: from `read_cities`.
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
            "orient": "bottom-left", "direction": "horizontal", "gradientLength": 160, "tickCount": 3, "format": ",~f",
            "titleFontWeight": 400, "titleColor": charts.text_colour(), "labelColor": charts.text_colour(),
        },
    }  # fmt: skip
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
        for name, clicked in zip(("countries", "small"), CLICKED[:2], strict=True)
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
            *([_make_points(cities, theme, view.zoom)] if cities else []),
        ],
        "config": {"view": {"stroke": None}},
    }


def _make_points(cities: list[dict[str, Any]], theme: str, zoom: float) -> dict[str, Any]:
    # With another name for their visitors: Vega would draw one legend for both scales.
    return {
        "data": {"values": cities},
        "params": [{"name": CITY, "select": {"type": "point", "fields": ["city"], "toggle": False}}],
        "mark": {
            "type": "circle", "color": CITY_COLOUR[theme], "opacity": 0.8, "stroke": BORDERS[theme], "strokeWidth": 0.5,
            "cursor": "pointer", "clip": True,
        },
        "encoding": {
            "longitude": {"field": "longitude", "type": "quantitative"},
            "latitude": {"field": "latitude", "type": "quantitative"},
            "size": {
                "field": "people", "type": "quantitative", "legend": None, "scale": {"domainMin": 0, "range": [4, 40 * zoom]},
            },
            "tooltip": [
                {"field": "city", "title": "City"},
                {"field": "people", "type": "quantitative", "title": "Visitors", "format": ","},
                {"field": "views", "type": "quantitative", "title": "Page views", "format": ","},
            ],
            "description": {"field": "label"},
        },
    }  # fmt: skip


def _areas(name: str) -> dict[str, Any]:
    return {"url": countries.PATH, "format": {"type": "topojson", "feature": name}}


def _with_numbers(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only the countries with visitors, with their numbers."""
    looked_up = {"data": {"values": known}, "key": "id", "fields": ["name", "visitors", "views", "label"]}
    return [{"lookup": "id", "from": looked_up}, {"filter": "isValid(datum.visitors)"}]
