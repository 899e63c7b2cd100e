"""Raw events as a table: a row for each event, a column for each property."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from event_tracker.dashboard.charts import charts
from event_tracker.dashboard.client.api import Answer

FIELDS = ["timestamp", "user_id", "event_type", "session_id"]
LAST_FIELDS = ["source", "event_id", "received_at"]

PREFIX = "."
"""Precedes the name of a property's column, since an event's field may have the same name."""

EXACT = 2**53
"""Browsers round larger whole numbers."""


def show(rows: Sequence[Answer], tz: str, alt: str, without: Sequence[str] = ()) -> None:
    """Show events with their times in `tz`. The columns of properties are between those of fields."""
    frame = as_frame(rows, tz).drop(columns=list(without))
    columns = {name: time_column() for name in ("timestamp", "received_at")}
    columns |= {name: _property_column(frame[name], name) for name in frame if str(name).startswith(PREFIX)}
    charts.table(frame, alt, **columns)


def _property_column(values: "pd.Series[Any]", column: str) -> Any:
    name = column.removeprefix(PREFIX)
    label = f"{name} (property)" if name in FIELDS + LAST_FIELDS else name
    if pd.api.types.is_numeric_dtype(values):
        return st.column_config.NumberColumn(label)  # no separators: it may be an id
    return st.column_config.TextColumn(label)


def as_frame(rows: Sequence[Answer], tz: str) -> pd.DataFrame:
    """A frame with a column for each of an event's fields, and `.NAME` for each property."""
    names = sorted({name for row in rows for name in row["properties"]})
    frame = pd.DataFrame({field: [row[field] for row in rows] for field in FIELDS})
    for name in names:
        frame[PREFIX + name] = _uniform([row["properties"].get(name) for row in rows])
    for field in LAST_FIELDS:
        frame[field] = [row[field] for row in rows]
    for field in ("timestamp", "received_at"):
        frame[field] = in_zone(frame[field], tz)
    return frame


def _uniform(values: list[Any]) -> "pd.Series[Any]":
    """Convert values to one type, which Arrow requires in a column: exact numbers, or else texts and JSON."""
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float} and all(abs(value) < EXACT for value in values if value is not None):
        return pd.Series(values, dtype="Int64" if kinds == {int} else "Float64")
    return pd.Series(
        [value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
         for value in values],
        dtype=object,
    )  # fmt: skip


def in_zone(times: "pd.Series[Any]", tz: str) -> "pd.Series[Any]":
    """RFC 3339 texts as times in `tz`."""
    return pd.to_datetime(times, utc=True, format="ISO8601").dt.tz_convert(tz)


def time_column(form: str = "YYYY-MM-DD HH:mm:ss.SSS") -> Any:
    """A column for times without the offset: the page says which time zone it is."""
    return st.column_config.DatetimeColumn(format=form)


def moment(time: str, tz: str) -> str:
    """An RFC 3339 text as a time of day in `tz`."""
    return f"{datetime.fromisoformat(time).astimezone(ZoneInfo(tz)):%-d %b %Y %H:%M:%S}"


def minute(time: str, tz: str) -> str:
    """The same without seconds, for narrow columns. It may be wrapped only between day and time."""
    return f"{datetime.fromisoformat(time).astimezone(ZoneInfo(tz)):%-d\N{NO-BREAK SPACE}%b\N{NO-BREAK SPACE}%Y %H:%M}"
