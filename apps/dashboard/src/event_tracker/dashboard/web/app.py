"""What Streamlit runs for each visitor: who they are, the choices that pages share, then the chosen page.

Not beside `pages`: a folder of that name there would be read by Streamlit in its own way.
"""

from collections.abc import Callable

import streamlit as st

from event_tracker.dashboard.auth import account
from event_tracker.dashboard.charts import style
from event_tracker.dashboard.filters import filters
from event_tracker.dashboard.notices import (
    open_sign_in,
    show_no_events_yet,
    show_not_allowed,
    show_refusal,
    show_unavailable,
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


def event_page(title: str, icon: str, show: Show, path: str, scope: str = "read_stats") -> st.Page:
    """A page of answers about events, for whom has the scope; whatever keeps it from answering is a sentence below."""

    def draw() -> None:
        st.caption(" · ".join([PRODUCT, *chosen.shown_sources]))
        with show_unavailable(), show_refusal():
            if not account.has_scope(who, scope):
                show_not_allowed(scope)
            elif filters.known_types():
                show(chosen)
            else:
                show_no_events_yet()

    return _make_page(title, icon, draw, path)


def admin_page(title: str, icon: str, show: Callable[[], None], path: str) -> st.Page:
    """A page on which an admin changes things."""

    def draw() -> None:
        with show_unavailable(), show_refusal():
            show()

    return _make_page(title, icon, draw, path)


def _make_page(title: str, icon: str, draw: Callable[[], None], path: str) -> st.Page:
    return st.Page(draw, title=title, icon=f":material/{icon}:", url_path=path or None, default=not path)


# Before the pages, whose icons the browser would otherwise ask a font server on the internet for, to show one in its tab.
st.set_page_config(page_icon="📈", layout="wide")
with open_sign_in():
    who = account.who()
    # Not in sections: those of Streamlit's are lists that screen readers can't follow.
    event_pages = [
        event_page("Overview", "monitoring", overview.show, ""),
        event_page("Users", "group", users.show, "users", "read_events"),
        event_page("Funnels", "filter_alt", funnels.show, "funnels"),
        event_page("Retention", "replay", retention.show, "retention"),
        event_page("Journeys", "route", journeys.show, "journeys"),
        event_page("Sessions", "schedule", sessions.show, "sessions"),
        event_page("Explore", "search", explore.show, "explore", "export"),
    ]
    admin_pages = []
    if account.is_admin(who):
        admin_pages = [
            admin_page("Sources", "key", sources.show, "sources"),
            admin_page("Schemas", "rule", schemas.show, "schemas"),
            admin_page("People", "badge", people.show, "people"),
            admin_page("Audit log", "history", audit.show, "audit"),
        ]
    current = st.navigation([*event_pages, *admin_pages], expanded=True)
    st.set_page_config(page_title=f"{current.title} · {PRODUCT}")
    style.apply()
    st.title(current.title, anchor=False)
    # Here, not by the page: what a page's own inputs say is dropped from the URL when another page is opened.
    if current in event_pages:
        chosen = filters.choose()
    current.run()
    account.show(who)
