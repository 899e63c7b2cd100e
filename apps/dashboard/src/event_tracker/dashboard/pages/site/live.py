"""The page Live: who is on the site now, which pages they look at, and where they are."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from event_tracker.dashboard.charts import charts, numbers, rankings, style, tiles
from event_tracker.dashboard.charts.links import Linked
from event_tracker.dashboard.client.api import Answer, ask_concurrently
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.notices import show_refusal, show_unavailable
from event_tracker.dashboard.pages.site import dimensions
from event_tracker.dashboard.pages.site.dimensions import Dimension

EVERY_SECONDS = 10
NOW, LATELY = 5, 30
"""Minutes."""

TOP = 10
LISTS = {"Pages": dimensions.PAGE, "Countries": dimensions.COUNTRY, "Sources": dimensions.SOURCE}


def show(chosen: Filters) -> None:
    """Draw the page. The range doesn't matter here; sources and filters do."""
    with st.container(key="live"):
        _draw(chosen)


@st.fragment(run_every=EVERY_SECONDS)
def _draw(chosen: Filters) -> None:
    """Draw all of it, and update it every few seconds. A browser whose tab is hidden asks less often, at most once a minute."""
    to = datetime.now(UTC).replace(microsecond=0)
    now, lately = ({**_window(to, minutes), "tz": chosen.period.tz, **chosen.selection} for minutes in (NOW, LATELY))
    with show_unavailable(), show_refusal(), ask_concurrently() as later:
        here = later("/stats/web", interval="month", **now)
        half_hour = later("/stats/web", interval="month", **lately)
        # From a full minute on, so that the first bar has one.
        minutes = {**lately, **_window(to.replace(second=0) + timedelta(minutes=1), LATELY)}
        by_minute = later("/stats/timeseries", interval="minute", metric="users", **minutes)
        tops = [later("/stats/web/top", by=one.by, limit=TOP, **lately) for one in LISTS.values()]
        _totals(here()["totals"], half_hour()["totals"])
        _by_minute(by_minute())
        with st.container(key=f"{style.NARROW}-live"):
            for column, top, (title, dimension) in zip(st.columns(3), tops, LISTS.items(), strict=True):
                with column:
                    _top(title, dimension, top(), chosen)


def _window(to: datetime, minutes: int) -> dict[str, str]:
    return {"from": (to - timedelta(minutes=minutes)).isoformat(), "to": to.isoformat()}


def _totals(now: Answer, lately: Answer) -> None:
    tiles.show(
        {
            f"Visitors, last {NOW} minutes": numbers.count(now["visitors"]),
            f"Visitors, last {LATELY} minutes": numbers.count(lately["visitors"]),
            f"Page views, last {LATELY} minutes": numbers.count(lately["page_views"]),
        },
        "live",
    )


def _by_minute(answer: Answer) -> None:
    figure = charts.over_time(answer, "Users").update_xaxes(title=None)
    charts.draw(figure, alt=f"Active users by the minute, last {LATELY} minutes", height=190)
    as_of = datetime.fromisoformat(answer["as_of"]).astimezone(ZoneInfo(answer["tz"]))
    st.caption(
        f"Users with an event of any type in each minute. As of {as_of:%H:%M:%S} ({answer['tz']}); "
        f"updated every {EVERY_SECONDS} seconds."
    )


def _top(title: str, dimension: Dimension, answer: Answer, chosen: Filters) -> None:
    st.header(title, anchor=False)
    if not answer["rows"]:
        st.caption(f"No page views in the last {LATELY} minutes.")
        return
    rows = [
        ([Linked(name, dimensions.url("live", dimension, row["key"], chosen))], row["visitors"])
        for name, row in zip(dimensions.names(dimension, answer["rows"]), answer["rows"], strict=True)
    ]
    alt = f"{title}, last {LATELY} minutes"
    rankings.show([dimension.heading, "Visitors"], rows, alt, dimensions.bars(answer["rows"]))
