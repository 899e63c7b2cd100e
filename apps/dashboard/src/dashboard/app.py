"""What Streamlit runs for each visitor: the choices that all pages share, then the chosen page."""

from collections.abc import Callable

import streamlit as st

from dashboard import filters
from dashboard.notices import absence_as_sentence, nothing_yet, refusal_as_sentence
from dashboard.views import explore, funnels, journeys, overview, retention, sessions, users

Show = Callable[[filters.Filters], None]


def page(title: str, icon: str, show: Show, path: str) -> st.Page:
    """A page under its title; whatever keeps it from answering is a sentence below."""

    def run() -> None:
        st.title(title, anchor=False)
        with absence_as_sentence(), refusal_as_sentence():
            if filters.known_types():
                show(chosen)
            else:
                nothing_yet()

    return st.Page(run, title=title, icon=f":material/{icon}:", url_path=path or None, default=not path)


# Before the pages, whose icons the browser would otherwise ask a font server on the internet for, to show one in its tab.
st.set_page_config(page_icon="📈", layout="wide")
current = st.navigation(
    [
        page("Overview", "monitoring", overview.show, ""),
        page("Users", "group", users.show, "users"),
        page("Funnels", "filter_alt", funnels.show, "funnels"),
        page("Retention", "replay", retention.show, "retention"),
        page("Journeys", "route", journeys.show, "journeys"),
        page("Sessions", "schedule", sessions.show, "sessions"),
        page("Explore", "search", explore.show, "explore"),
    ],
    expanded=True,
)
st.set_page_config(page_title=f"{current.title} · Event Tracker")
chosen = filters.choose()
current.run()
