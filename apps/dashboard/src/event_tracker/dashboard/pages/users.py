"""The page Users: the active users of the range, and one user's events, types and sessions."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from event_tracker.dashboard.charts import charts, clicks, event_table, links, numbers, rankings, style, tiles
from event_tracker.dashboard.charts.links import Linked
from event_tracker.dashboard.client.api import Answer, ask
from event_tracker.dashboard.client.service import RefusedError
from event_tracker.dashboard.filters import filters
from event_tracker.dashboard.filters.filters import Filters
from event_tracker.dashboard.filters.period import Period
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import show_nothing_found

PAGE = 50
"""The number of users on a page of the list."""

SORTS = {"last event": "last", "events": "events"}
"""The orders of the list: the name on the page and in its URL, and the value for `/events/users`."""
DEFAULT_SORT = "last event"

FIRST_SEEN = "first_seen"
"""The URL parameter with the first and the last day on which the users were first seen. The page Retention links to it."""

LIMITS = [50, 100, 250, 500, 1000]


def show(chosen: Filters) -> None:
    """Draw the page: one user, or the list of the range's users."""
    left, right = st.columns([2, 1])
    with right:
        beside_user = st.container()
    first_seen = _read_first_seen(chosen.period.tz)
    sort, page = _read_from_url("sort", DEFAULT_SORT), _read_from_url("page", "1")
    asked = {"sort": SORTS.get(sort, SORTS[DEFAULT_SORT]), **chosen.parameters, **_among(first_seen)}
    found, number = _ask_page(asked, page)
    user = left.selectbox(
        "User", [one["user_id"] for one in found["users"]], index=None, key="user", bind="query-params",
        accept_new_options=True, placeholder="Choose one of the list, or type an id",
    )  # fmt: skip
    with beside_user:
        if user:
            limit = st.selectbox("Events to show", LIMITS, index=1, key="limit", bind="query-params")
        else:
            st.segmented_control(
                "Sorted by", list(SORTS), default=DEFAULT_SORT, required=True, key="sort",
                bind="query-params", persist_state="page",
            )  # fmt: skip
    if user:
        _one(chosen, user, limit)
        return
    if first_seen:
        st.button("Show users whenever they were first seen", on_click=_forget_first_seen)
    if found["users"]:
        _list(found, number, chosen, first_seen)
    else:
        show_nothing_found(f"users first seen {first_seen}" if first_seen else "users")


def _forget_first_seen() -> None:
    del st.query_params[FIRST_SEEN]


def _read_first_seen(tz: str) -> Period | None:
    """The days of the URL on which the users were first seen; None if it has none."""
    days = filters.days_in_url(FIRST_SEEN)
    return Period(*days, tz) if days else None


def _among(first_seen: Period | None) -> dict[str, str]:
    """The parameters of `/events/users` for it."""
    bounds = first_seen.bounds if first_seen else {}
    return {f"{FIRST_SEEN}_{name}": moment for name, moment in bounds.items()}


def _read_from_url(name: str, default: str) -> str:
    """The value of an input that is bound to the URL and drawn later, since it needs the answer."""
    return str(st.session_state.get(name) or st.query_params.get(name, default))


def _ask_page(asked: dict[str, Any], page: str) -> tuple[Answer, int]:
    """Fetch a page of the list with these parameters. Returns it and its number, from 1.

    That is the last page if there aren't as many, and the first page if the filters or the order have changed.
    """
    listed = str(asked)
    if st.session_state.setdefault("listed", listed) != listed:
        st.session_state["listed"], page = listed, "1"
    number = max(int(page), 1) if page.isdecimal() and len(page) <= 7 else 1
    found = ask("/events/users", limit=PAGE, offset=(number - 1) * PAGE, **asked)
    if number > _pages(found):
        number = _pages(found)
        found = ask("/events/users", limit=PAGE, offset=(number - 1) * PAGE, **asked)
    return found, number


def _pages(found: Answer) -> int:
    return max(1, -(-int(found["total"]) // PAGE))


def _list(found: Answer, number: int, chosen: Filters, first_seen: Period | None) -> None:
    users, before, pages = found["users"], (number - 1) * PAGE, _pages(found)
    of = numbers.counted(found["total"], "user")
    shown = (
        f"All {of}" if pages == 1 else f"{numbers.count(before + 1)} to {numbers.count(before + len(users))} of {of}"
    )
    matching = " that match the filters" if chosen.filters else ""
    cohort = f", first seen {first_seen}" if first_seen else ""
    st.caption(f"{shown} with events{matching}, {chosen.period}{cohort}. Click a user to see their events.")
    rows = [
        (
            [Linked(one["user_id"], links.with_choices("users", user=one["user_id"]))],
            one["events"],
            *(event_table.minute(one[name], chosen.period.tz) for name in ("first", "last")),
        )
        for one in users
    ]
    rankings.show(["User", "Events", "First", "Last"], rows, "Users of the range")
    if pages > 1:
        st.session_state["page"] = number
        st.pagination(pages, key="page", bind="query-params", persist_state="page")


def _one(chosen: Filters, user: str, limit: int) -> None:
    try:
        summary = ask("/user", user_id=user, **chosen.period.parameters, **chosen.among)
    except RefusedError as refused:
        if refused.code != "user_not_found":
            raise
        st.info(
            f"There is no user “{as_text(user)}”. An id is matched exactly, capitals included.",
            icon=":material/person_off:",
        )
        return
    _summary(summary, chosen)
    page = ask("/events", user_id=user, limit=limit, **chosen.period.bounds, **chosen.selection)
    if not page["events"]:
        _nothing_in_range(summary, chosen)
        return
    with st.container(key=style.NARROW):
        left, right = st.columns([2, 3])
        with left:
            _types(summary)
        with right:
            _sessions(page["events"], chosen.period.tz)
    _timeline(page, chosen, limit)


def _nothing_in_range(summary: Answer, chosen: Filters) -> None:
    tz = ZoneInfo(chosen.period.tz)
    first, last = (datetime.fromisoformat(summary[name]).astimezone(tz).date() for name in ("first_seen", "last_seen"))
    matching = " that match the filters" if chosen.filters else ""
    show_nothing_found(
        f"events of this user{matching}", f"All of their events: {Period(first, last, chosen.period.tz)}."
    )
    st.button("Show those days", on_click=filters.set_days, args=[first, last])


def _summary(summary: Answer, chosen: Filters) -> None:
    inside = summary["range"]
    tiles.show(
        {
            "Events in the range": numbers.count(inside["events"]),
            "Active days": numbers.count(inside["active_days"]),
            "Sessions": numbers.count(inside["sessions"]),
            "Events ever": numbers.count(summary["events"]),
        }
    )
    first, last = (event_table.moment(summary[name], chosen.period.tz) for name in ("first_seen", "last_seen"))
    st.caption(f"First seen {first}, last seen {last} ({chosen.period.tz}). The filters don't change these numbers.")


def _types(summary: Answer) -> None:
    st.header("Event types", anchor=False)
    types = summary["range"]["types"]
    figure = charts.bars([one["event_type"] for one in types], [one["count"] for one in types], "Events")
    height = max(160, 60 + 32 * len(types))
    charts.draw(figure, alt="Events of this user by type", height=height, click=clicks.filter_by_type)
    st.caption("Of all events. Click a bar to filter the timeline by its type.")


def _sessions(shown: list[Answer], tz: str) -> None:
    st.header("Sessions", anchor=False)
    frame = pd.DataFrame(shown).dropna(subset="session_id")
    if frame.empty:
        st.caption(
            "None of the events below has a session_id; the number of sessions above is by pauses of over 30 minutes."
        )
        return
    frame["timestamp"] = event_table.in_zone(frame["timestamp"], tz)
    rows = frame.groupby("session_id", sort=False)["timestamp"].agg(Events="count", First="min", Last="max")
    columns = {name: event_table.time_column("YYYY-MM-DD HH:mm:ss") for name in ("First", "Last")}
    charts.table(rows.rename_axis("Session").reset_index(), "Sessions of this user", **columns)
    st.caption("Of the events below, by their session_id.")


def _timeline(page: Answer, chosen: Filters, limit: int) -> None:
    st.header("Timeline", anchor=False)
    event_table.show(page["events"], chosen.period.tz, without=["user_id"], alt="This user's events, newest first")
    number = numbers.count(len(page["events"]))
    if page["next_cursor"]:
        st.caption(
            f"The newest {number} events; there are older ones: choose to show more than {limit}, or an earlier range."
        )
    else:
        st.caption(f"All {number} events of this range that match the filters, newest first.")
