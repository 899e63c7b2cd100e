"""What Streamlit runs for each visitor: who they are, the choices that pages share, then the chosen page.

Not beside `pages`: a folder of that name there would be read by Streamlit in its own way.
"""

from collections.abc import Callable

import streamlit as st

from event_tracker.dashboard.auth import account
from event_tracker.dashboard.charts import style
from event_tracker.dashboard.filters import filters
from event_tracker.dashboard.notices import (
    absence_as_sentence,
    not_allowed,
    nothing_yet,
    refusal_as_sentence,
    signed_out_to_form,
)
from event_tracker.dashboard.pages import (
    audit,
    explore,
    funnels,
    journeys,
    overview,
    people,
    retention,
    schemas,
    sessions,
    sources,
    users,
)

PRODUCT = "Event Tracker"

Show = Callable[[filters.Filters], None]


def page(title: str, icon: str, show: Show, path: str, scope: str = "read_stats") -> st.Page:
    """A page of answers about events, for whom has the scope; whatever keeps it from answering is a sentence below."""

    def draw() -> None:
        st.caption(" · ".join([PRODUCT, *chosen.shown_sources]))
        with absence_as_sentence(), refusal_as_sentence():
            if not account.may(who, scope):
                not_allowed(scope)
            elif filters.known_types():
                show(chosen)
            else:
                nothing_yet()

    return _page(title, icon, draw, path)


def managing(title: str, icon: str, show: Callable[[], None], path: str) -> st.Page:
    """A page on which an admin changes things."""

    def draw() -> None:
        with absence_as_sentence(), refusal_as_sentence():
            show()

    return _page(title, icon, draw, path)


def _page(title: str, icon: str, draw: Callable[[], None], path: str) -> st.Page:
    return st.Page(draw, title=title, icon=f":material/{icon}:", url_path=path or None, default=not path)


# Before the pages, whose icons the browser would otherwise ask a font server on the internet for, to show one in its tab.
st.set_page_config(page_icon="📈", layout="wide")
with signed_out_to_form():
    who = account.who()
    # Not in sections: those of Streamlit's are lists that screen readers can't follow.
    answering = [
        page("Overview", "monitoring", overview.show, ""),
        page("Users", "group", users.show, "users", "read_events"),
        page("Funnels", "filter_alt", funnels.show, "funnels"),
        page("Retention", "replay", retention.show, "retention"),
        page("Journeys", "route", journeys.show, "journeys"),
        page("Sessions", "schedule", sessions.show, "sessions"),
        page("Explore", "search", explore.show, "explore", "export"),
    ]
    managed = []
    if account.is_admin(who):
        managed = [
            managing("Sources", "key", sources.show, "sources"),
            managing("Schemas", "rule", schemas.show, "schemas"),
            managing("People", "badge", people.show, "people"),
            managing("Audit log", "history", audit.show, "audit"),
        ]
    current = st.navigation([*answering, *managed], expanded=True)
    st.set_page_config(page_title=f"{current.title} · {PRODUCT}")
    style.apply()
    st.title(current.title, anchor=False)
    # Here, not by the page: what a page's own inputs say is dropped from the URL when another page is opened.
    if current in answering:
        chosen = filters.choose()
    current.run()
    account.show(who)
