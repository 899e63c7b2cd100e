"""Lists of a site's pages, sources, places and devices, those with the most visitors first. A click on a row filters by it."""

import csv
import io
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import streamlit as st

from event_tracker.dashboard.auth import current
from event_tracker.dashboard.auth.browser_sign_ins import BrowserSignIn
from event_tracker.dashboard.charts import numbers, rankings
from event_tracker.dashboard.charts.links import Linked
from event_tracker.dashboard.client import download
from event_tracker.dashboard.client.api import Answer, Later, ask
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.notices import show_refusal
from event_tracker.dashboard.pages.site import dimensions
from event_tracker.dashboard.pages.site.dimensions import Dimension

SHOWN, MORE, MOST = 10, 100, 1000
"""Rows of a list, of the dialog behind it, and of its CSV."""


class Panel(NamedTuple):
    """Lists of which one is shown. `key` is the URL parameter that has the chosen one."""

    key: str
    title: str
    dimensions: tuple[Dimension, ...]


PANELS = (
    Panel("pages", "Pages", (dimensions.PAGE, dimensions.TITLE, dimensions.ENTRY, dimensions.EXIT)),
    Panel("sources", "Sources", (dimensions.SOURCE, dimensions.CHANNEL, dimensions.REFERRER, dimensions.CAMPAIGN)),
    Panel("places", "Places", (dimensions.COUNTRY, dimensions.REGION, dimensions.CITY)),
    Panel("technology", "Technology", (dimensions.BROWSER, dimensions.SYSTEM, dimensions.DEVICE)),
)


def ask_list(later: Later[Answer], panel: Panel, chosen: Filters) -> Callable[[], Answer]:
    """Send the request for `show`."""
    return later("/stats/web/top", **_parameters(_read_dimension(panel), chosen))


def _read_dimension(panel: Panel) -> Dimension:
    """The chosen list of a panel, by the input that is drawn later."""
    name = st.session_state.get(panel.key) or st.query_params.get(panel.key)
    return next((one for one in panel.dimensions if one.name == name), panel.dimensions[0])


def _parameters(dimension: Dimension, chosen: Filters, limit: int = SHOWN) -> dict[str, Any]:
    return {"by": dimension.by, "limit": limit, **chosen.parameters}


def show(panel: Panel, chosen: Filters, asked: Callable[[], Answer]) -> None:
    """Draw a panel."""
    st.header(panel.title, anchor=False)
    dimension = _read_dimension(panel)
    names = [one.name for one in panel.dimensions]
    st.segmented_control(
        f"{panel.title} by", names, default=names[0], required=True, key=panel.key, bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    with show_refusal():
        answer = asked()
        _list(panel, dimension, answer, chosen)
        with st.container(horizontal=True, gap="small"):
            if answer["total"] > SHOWN:
                label = f"All {numbers.count(answer['total'])}" if answer["total"] <= MORE else f"The first {MORE}"
                st.button(
                    label, key=f"{panel.key} more", type="tertiary", icon=":material/list:",
                    on_click=_open_more, args=[panel, dimension, chosen],
                )  # fmt: skip
            st.download_button(
                "CSV", partial(_make_csv, dimension, chosen, current.sign_in()), f"{panel.key}-by-{dimension.by}.csv", "text/csv",
                key=f"{panel.key} csv", type="tertiary", icon=":material/download:", on_click="ignore",
            )  # fmt: skip


def _list(panel: Panel, dimension: Dimension, answer: Answer, chosen: Filters, *, complete: bool = False) -> None:
    """Draw the rows of an answer; with `complete` with all of their numbers."""
    columns = {"Visitors": "visitors"}
    if complete:
        columns |= {"Views": "page_views", "Sessions": "sessions", "Bounce rate": "bounce_rate"}
    elif panel.key == "pages":
        columns |= {"Views": "page_views"} if dimension.by in ("page", "title") else {"Sessions": "sessions"}
    else:
        columns |= {"Share": "share"}
    names = dimensions.names(dimension, answer["rows"])
    rows = [
        (
            [Linked(name, dimensions.url("web", dimension, row["key"], chosen))],
            *(_write(row[member]) for member in columns.values()),
        )
        for name, row in zip(names, answer["rows"], strict=True)
    ]
    alt = f"{panel.title} by {dimension.name.lower()}"
    rankings.show(
        [dimension.heading, *columns], rows, f"{alt}, more" if complete else alt, dimensions.bars(answer["rows"])
    )


def _write(value: float | None) -> str | int:
    return value if isinstance(value, int) else numbers.share(value)


def _open_more(panel: Panel, dimension: Dimension, chosen: Filters) -> None:
    @st.dialog(f"{panel.title} by {dimension.name.lower()}", width="large")
    def show_more() -> None:
        with show_refusal():
            answer = ask("/stats/web/top", **_parameters(dimension, chosen, MORE))
            _list(panel, dimension, answer, chosen, complete=True)

    show_more()


COLUMNS = ("key", "visitors", "page_views", "sessions", "bounce_rate", "share")


def _make_csv(dimension: Dimension, chosen: Filters, signed_in: BrowserSignIn | None) -> bytes:
    """The list's first rows as CSV for spreadsheets. Streamlit calls this once a visitor downloads it, in a thread that isn't the page's
    and so doesn't know the reader."""
    parameters = _parameters(dimension, chosen, MOST)
    with current.request(signed_in, "GET", "/stats/web/top", params=parameters) as response:
        rows = response.json()["rows"]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([dimension.by, *COLUMNS[1:]])
    writer.writerows([row[name] for name in COLUMNS] for row in rows)
    return b"".join(download.for_spreadsheets([text.getvalue().encode()]))
