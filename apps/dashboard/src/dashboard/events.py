"""Raw events as a table: one row each, a column for each property."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.api import Answer

FIELDS = ["timestamp", "user_id", "event_type", "session_id"]
LAST_FIELDS = ["source", "event_id", "received_at"]


def show(rows: Sequence[Answer], tz: str, alt: str, without: Sequence[str] = ()) -> None:
    """Show events with their times in `tz`, properties between the fields."""
    columns = {name: time_column() for name in ("timestamp", "received_at")}
    charts.table(as_frame(rows, tz).drop(columns=list(without)), alt, **columns)


def as_frame(rows: Sequence[Answer], tz: str) -> pd.DataFrame:
    """The columns: an event's fields, and `.NAME` for each property; the dot keeps a property apart from a field of that name."""
    names = sorted({name for row in rows for name in row["properties"]})
    frame = pd.DataFrame({field: [row[field] for row in rows] for field in FIELDS})
    for name in names:
        frame[f".{name}"] = _uniform([row["properties"].get(name) for row in rows])
    for field in LAST_FIELDS:
        frame[field] = [row[field] for row in rows]
    for field in ("timestamp", "received_at"):
        frame[field] = in_zone(frame[field], tz)
    return frame


def _uniform(values: list[Any]) -> list[Any]:
    """Values of one type, as Arrow needs them in a column: numbers, or else the JSON of what isn't a text."""
    given = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given):
        return values
    return [value if value is None or isinstance(value, str) else pd.io.json.ujson_dumps(value) for value in values]


def in_zone(times: "pd.Series[Any]", tz: str) -> "pd.Series[Any]":
    """RFC 3339 texts as times in `tz`."""
    return pd.to_datetime(times, utc=True, format="ISO8601").dt.tz_convert(tz)


def time_column(form: str = "YYYY-MM-DD HH:mm:ss.SSS") -> Any:
    """How a table shows a time: without the offset, which the page's time zone says."""
    return st.column_config.DatetimeColumn(format=form)


def moment(time: str, tz: str) -> str:
    """An RFC 3339 text as a time of day in `tz`."""
    return f"{datetime.fromisoformat(time).astimezone(ZoneInfo(tz)):%-d %b %Y %H:%M:%S}"


def day(time: str, tz: str) -> str:
    """The same without the time of day."""
    return f"{datetime.fromisoformat(time).astimezone(ZoneInfo(tz)):%-d %b %Y}"
