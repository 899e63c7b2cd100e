"""The views that statements read, and the statements that copy what is read of them, over the engine's relations."""

from datetime import timedelta

from event_tracker.columns.engine import Range, Table
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.sql.sandbox.messages import Needs
from event_tracker.query.stats.columns.selection import Parameters, select_events
from event_tracker.query.stats.columns.visits import SECOND, build_cut, build_visits

STATEMENTS = load_queries("event_tracker.query.sql", "views.sql")

PAGE_PROPERTIES = ("page", "host", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
"""What tracker.js sends with a page view (docs/browser.md). `page` comes first: views.sql relies on it."""

ENTRY = {name: f"entry_{name}" if name in ("page", "host") else name for name in PAGE_PROPERTIES}
"""Property of a session's first page view → the column of `sessions`."""

EVENTS = {
    "event_id": "event_id",
    "user_id": "user_id",
    "sent_id": "sent_id",
    "event_type": "event_type",
    "timestamp": '"timestamp"',
    "received_at": "received_at",
    "session_id": "session_id",
    "source": "source",
    "properties": "all_properties as properties",
}
PAGES = {name: EVENTS[name] for name in ("event_id", "user_id", "timestamp", "session_id", "source")}
PAGES |= {name: f"property_{place} as {name}" for place, name in enumerate(PAGE_PROPERTIES)}

USERS = {
    name: name
    for name in ("user_id", "first_event", "last_event", "events", "page_views", "event_types", "active_days")
}
USERS |= {"first_seen": "first_seen", "is_new": "first_seen is not null as is_new"}

SESSIONS = {
    "user_id": "user_id",
    "session_id": "nullif(session_id, '') as session_id",
    "started": "make_timestamptz(first) as started",
    "ended": "make_timestamptz(last) as ended",
    "seconds": f"(last - first) / {SECOND} as seconds",
    "is_bounce": "events = 1 as is_bounce",
}
SESSION_VALUES = ("source", "events", "page_views", "entry_type", "exit_type", "entry_page", "entry_host", "exit_page")
"""Columns of `sessions` that `values` in views.sql makes as they are."""

SESSIONS |= {name: name for name in (*SESSION_VALUES, *ENTRY.values())}

VIEWS: dict[str, dict[str, str]] = {"events": EVENTS, "users": USERS, "sessions": SESSIONS, "pages": PAGES}
"""View → its columns, each with the expression that makes it in views.sql."""


def list_view_columns() -> dict[str, list[str]]:
    """View → the names of its columns."""
    return {view: list(columns) for view, columns in VIEWS.items()}


def needs_first_seen(needs: Needs) -> bool:
    """Whether the relation `first_seen` is read. For some sources it takes all of their events."""
    return bool({"first_seen", "is_new"} & set(needs.views.get("users", ())))


def build_tables(needs: Needs, time_range: Range, zone: str, gap: int, longest: int) -> tuple[list[Table], list[str]]:
    """The tables to copy, and the properties that their statements read.

    Args:
        time_range: of the question.
        gap, longest: what sessions are, in seconds.
    """
    properties: list[str] = list(PAGE_PROPERTIES) if {"pages", "sessions"} & needs.views.keys() else []
    tables = []
    for view, names in needs.views.items():
        parameters = Parameters()
        parameters.properties = properties
        columns = ", ".join(VIEWS[view][name] for name in names)
        if view == "events":
            statement = _build_events(columns, "properties" in names, needs.properties, parameters)
        elif view == "sessions":
            statement = _build_sessions(columns, time_range[1] - time_range[0], gap, longest, parameters)
        elif view == "users":
            parameters["zone"] = zone
            joined = STATEMENTS["first_seen"] if needs_first_seen(needs) else ""
            statement = STATEMENTS["users"].format(columns=columns, joined=joined)
        else:
            statement = STATEMENTS["pages"].format(columns=columns)
        tables.append(Table(view, statement, parameters))
    return tables, properties


def _build_events(columns: str, is_read: bool, named: list[str] | None, parameters: Parameters) -> str:
    """Where properties are read by their names alone, the others needn't be put together, which takes most of the time."""
    if not is_read:
        value = "null"
    elif named is None:
        value = "properties::json"
    else:
        values = ", ".join(map(parameters.read_property, named))
        parameters["names"] = named
        value = f"to_json(map($names::varchar[], [{values}]::varchar[]))"
    return STATEMENTS["events"].format(columns=columns, properties=value)


def _build_sessions(columns: str, length: timedelta, gap: int, longest: int, parameters: Parameters) -> str:
    parameters.update(gap=gap * SECOND, longest=longest * SECOND)
    read = [parameters.read_property(name) for name in PAGE_PROPERTIES]
    first = [
        STATEMENTS["first_value"].format(property=value, name=ENTRY[name])
        for name, value in zip(PAGE_PROPERTIES, read, strict=True)
    ]
    of_visits = ", ".join(["micros", "place", "event_type", "source", *read])
    return STATEMENTS["sessions"].format(
        selected=select_events([], parameters),
        visited=build_visits(of_visits),
        cut=build_cut(of_visits, length, longest),
        values=STATEMENTS["values"].format(first=", ".join(first)),
        columns=columns,
    )
