"""The script that Streamlit runs for each reader: it finds the account, draws the shared filters, then the chosen page.

It isn't in the same folder as `pages`, since Streamlit treats a folder of that name beside the script as pages of its own.
"""

from collections.abc import Callable

import streamlit as st

from event_tracker.dashboard.auth import account
from event_tracker.dashboard.charts import style
from event_tracker.dashboard.client.service import RefusedError, UnavailableError
from event_tracker.dashboard.filters import bar, filters
from event_tracker.dashboard.markdown import as_text
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
    sql,
    users,
)
from event_tracker.dashboard.pages.site import PAGE_VIEW, live, web

PRODUCT = "Event Tracker"

Show = Callable[[filters.Filters], None]


def event_page(title: str, icon: str, show: Show, path: str, scope: str = "read_stats") -> st.Page:
    """A page about events. It needs a scope, and shows a message where it can't show an answer."""

    def draw() -> None:
        # The bar is beside the caption: a row of its own would push the first chart out of the first screen.
        top = st.container(horizontal=True, gap="small", vertical_alignment="center", key=style.FILTERS)
        top.caption(" · ".join([PRODUCT, *map(as_text, chosen.shown_sources)]), width="content")
        with show_unavailable(), show_refusal():
            if not account.has_scope(who, scope):
                show_not_allowed(scope)
            elif filters.known_types():
                if bar.show(chosen, top):
                    show(chosen)
            else:
                show_no_events_yet()

    return _make_page(title, icon, draw, path)


def has_page_views() -> bool:
    """Whether there is a web site: any page view, ever. So the list of pages doesn't change with the range."""
    try:
        return PAGE_VIEW in filters.known_types()
    except (RefusedError, UnavailableError):
        return False


def admin_page(title: str, icon: str, show: Callable[[], None], path: str) -> st.Page:
    """A page on which an admin manages something."""

    def draw() -> None:
        with show_unavailable(), show_refusal():
            show()

    return _make_page(title, icon, draw, path)


def _make_page(title: str, icon: str, draw: Callable[[], None], path: str) -> st.Page:
    return st.Page(draw, title=title, icon=f":material/{icon}:", url_path=path or None, default=not path)


# First of all: without this icon for the tab, browsers fetch the pages' icons from a font server on the internet.
st.set_page_config(page_icon="📈", layout="wide")
with open_sign_in():
    who = account.who()
    # Without sections: Streamlit draws them as lists that screen readers can't follow.
    event_pages = [
        event_page("Overview", "monitoring", overview.show, ""),
        event_page("Users", "group", users.show, "users", "read_events"),
        event_page("Funnels", "filter_alt", funnels.show, "funnels"),
        event_page("Retention", "replay", retention.show, "retention"),
        event_page("Journeys", "route", journeys.show, "journeys"),
        event_page("Sessions", "schedule", sessions.show, "sessions"),
        event_page("Explore", "search", explore.show, "explore", "export"),
    ]
    # It is off unless somebody has switched it on.
    if who is not None and account.has_scope(who, "sql"):
        event_pages.append(event_page("SQL", "terminal", sql.show, "sql", "sql"))
    site_pages = [event_page("Web", "language", web.show, "web"), event_page("Live", "sensors", live.show, "live")]
    # The pages of a web site are what its people look for. Who has none finds them behind the others.
    event_pages = [*site_pages, *event_pages] if has_page_views() else [*event_pages, *site_pages]
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
    # Drawn here and not by the page: Streamlit drops the inputs of a page from the URL when another page is opened.
    if current in event_pages:
        chosen = filters.choose()
    current.run()
    account.show(who, below_filters=current in event_pages)
