"""Users: one user's events, types and sessions."""

import pandas as pd
import streamlit as st

from dashboard import charts, events, numbers, tiles
from dashboard.api import Answer, ask
from dashboard.filters import Filters
from dashboard.notices import nothing_here
from dashboard.service import RefusedError

RECENT = 200
LIMITS = [50, 100, 250, 500, 1000]


def show(chosen: Filters) -> None:
    """Draw the page."""
    recent = ask("/users", limit=RECENT, **chosen.among)["users"]
    left, right = st.columns([3, 1])
    user = left.selectbox(
        "User", [one["user_id"] for one in recent], index=None, key="user", bind="query-params", accept_new_options=True,
        placeholder="Choose one who was active lately, or type an id", help=f"The {RECENT} most recently active are offered.",
    )  # fmt: skip
    limit = right.selectbox("Events to show", LIMITS, index=1, key="limit", bind="query-params")
    if user:
        _one(chosen, user, limit)
    else:
        _recent(recent, chosen)


def _recent(recent: list[Answer], chosen: Filters) -> None:
    st.header("Most recently active", anchor=False)
    frame = pd.DataFrame(recent).rename(
        columns={"user_id": "User", "first_seen": "First seen", "last_seen": "Last seen", "events": "Events"}
    )
    for column in ("First seen", "Last seen"):
        frame[column] = events.in_zone(frame[column], chosen.period.tz)
    times = {name: events.time_column() for name in ("First seen", "Last seen")}
    charts.table(frame, "The most recently active users", **times)


def _one(chosen: Filters, user: str, limit: int) -> None:
    try:
        summary = ask("/user", user_id=user, **chosen.period.parameters, **chosen.among)
    except RefusedError as refused:
        if refused.code != "user_not_found":
            raise
        st.info(
            f"There is no user “{user}”. An id is matched exactly, capitals included.", icon=":material/person_off:"
        )
        return
    _summary(summary, chosen)
    asked = {**chosen.period.bounds, **chosen.among, "event_type": chosen.event_types}
    page = ask("/events", user_id=user, limit=limit, **asked)
    if not page["events"]:
        first, last = (events.day(summary[name], chosen.period.tz) for name in ("first_seen", "last_seen"))
        nothing_here(
            "events of this user", f"The first was on {first}, the last on {last}: choose a range with those days."
        )
        return
    left, right = st.columns([2, 3])
    with left:
        _types(summary)
    with right:
        _sessions(page["events"], chosen.period.tz)
    _timeline(page, chosen, limit)


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
    first, last = (events.moment(summary[name], chosen.period.tz) for name in ("first_seen", "last_seen"))
    st.caption(f"First seen {first}, last seen {last} ({chosen.period.tz}). These numbers are of all event types.")


def _types(summary: Answer) -> None:
    st.header("Event types", anchor=False)
    types = summary["range"]["types"]
    figure = charts.bars([one["event_type"] for one in types], [one["count"] for one in types], "Events")
    charts.draw(figure, alt="Events of this user by type", height=max(160, 60 + 32 * len(types)))


def _sessions(shown: list[Answer], tz: str) -> None:
    st.header("Sessions", anchor=False)
    frame = pd.DataFrame(shown).dropna(subset="session_id")
    if frame.empty:
        st.caption("None of the events below has a session_id; the number above counts pauses of over 30 minutes.")
        return
    frame["timestamp"] = events.in_zone(frame["timestamp"], tz)
    rows = frame.groupby("session_id", sort=False)["timestamp"].agg(Events="count", First="min", Last="max")
    columns = {name: events.time_column("YYYY-MM-DD HH:mm:ss") for name in ("First", "Last")}
    charts.table(rows.rename_axis("Session").reset_index(), "Sessions of this user", **columns)
    st.caption("Of the events below, by their session_id.")


def _timeline(page: Answer, chosen: Filters, limit: int) -> None:
    st.header("Timeline", anchor=False)
    events.show(page["events"], chosen.period.tz, without=["user_id"], alt="This user's events, newest first")
    number = numbers.count(len(page["events"]))
    if page["next_cursor"]:
        st.caption(
            f"The newest {number} events; there are older ones: choose to show more than {limit}, or an earlier range."
        )
    else:
        st.caption(f"All {number} events of this range and these types, newest first.")
