"""Users: one user's events, types and sessions."""

import pandas as pd
import streamlit as st

from dashboard import charts, clicks, events, numbers, rankings, style, tiles
from dashboard.api import Answer, ask, read_lines
from dashboard.filters import Filters
from dashboard.notices import nothing_here
from dashboard.service import RefusedError

NEWEST = 1000
"""Users on offer are those of so many events of the range."""

LIMITS = [50, 100, 250, 500, 1000]


def show(chosen: Filters) -> None:
    """Draw the page."""
    newest = read_lines(
        "/events/export",
        {**chosen.period.bounds, **chosen.among, "event_type": chosen.event_types, "format": "ndjson", "limit": NEWEST},
    )
    left, right = st.columns([3, 1])
    user = left.selectbox(
        "User", list(dict.fromkeys(one["user_id"] for one in newest)), index=None, key="user", bind="query-params",
        accept_new_options=True, placeholder="Choose one who was active in the range, or type an id",
        help=f"Those of the newest {numbers.count(NEWEST)} events of the range are offered.",
    )  # fmt: skip
    limit = right.selectbox("Events to show", LIMITS, index=1, key="limit", bind="query-params")
    if user:
        _one(chosen, user, limit)
    elif newest:
        _recent(newest, chosen)
    else:
        nothing_here("users")


def _recent(newest: list[Answer], chosen: Filters) -> None:
    st.header("Most recently active", anchor=False)
    times: dict[str, list[str]] = {}
    for event in newest:
        times.setdefault(event["user_id"], []).append(event["timestamp"])
    rows = [
        (user, len(seen), events.moment(seen[-1], chosen.period.tz), events.moment(seen[0], chosen.period.tz))
        for user, seen in times.items()
    ]
    links = [rankings.link("users", user=user) for user in times]
    rankings.show(["User", "Events", "First", "Last"], rows, "The most recently active users", links)
    what = "All events" if len(newest) < NEWEST else f"The newest {numbers.count(NEWEST)} events"
    st.caption(f"{what} of the range and the event types. A user leads to what they did.")


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
    with st.container(key=style.NARROW):
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
    height = max(160, 60 + 32 * len(types))
    charts.draw(figure, alt="Events of this user by type", height=height, click=clicks.filter_by_type)
    st.caption("A click on a bar filters the timeline by its type, as does the sidebar.")


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
