"""The page Web: a site's visitors, its pages, and where visitors come from, in the range and compared with the one before."""

import streamlit as st

from event_tracker.dashboard.charts import style
from event_tracker.dashboard.client.api import ask_concurrently
from event_tracker.dashboard.filters.filters import Filters, known_types
from event_tracker.dashboard.notices import show_no_page_views_yet, show_nothing_found, show_refusal
from event_tracker.dashboard.pages.site import PAGE_VIEW, panels, totals, world_map


def show(chosen: Filters) -> None:
    """Draw the page. All of its requests are sent first, concurrently."""
    if PAGE_VIEW not in known_types(chosen.sources):
        show_no_page_views_yet()
        return
    st.header(str(chosen.period), anchor=False)
    with ask_concurrently() as later:
        asked = totals.ask_totals(later, chosen)
        lists = {panel: panels.ask_list(later, panel, chosen) for panel in panels.PANELS}
        places = world_map.ask_places(later, chosen)
        with show_refusal():
            if not totals.show(chosen, asked):
                show_nothing_found("page views")
                return
            for row in (panels.PANELS[:2], panels.PANELS[2:]):
                with st.container(key=f"{style.NARROW}-{row[0].key}"):
                    for column, panel in zip(st.columns(2, gap="medium"), row, strict=True):
                        with column:
                            panels.show(panel, chosen, lists[panel])
            with st.container(key="map"):
                world_map.show(chosen, places)
