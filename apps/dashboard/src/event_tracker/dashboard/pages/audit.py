"""The page Audit log: who changed what."""

import json

import streamlit as st

from event_tracker.dashboard.charts import charts
from event_tracker.dashboard.client import management
from event_tracker.dashboard.client.api import Answer

PAGE = 200


def show() -> None:
    """Draw the page."""
    entries = management.items("audit", limit=PAGE)
    if not entries:
        st.caption("There are no entries yet.")
        return
    charts.table([_row(entry) for entry in entries], "Audit log")
    st.caption("The newest first. The command tracker audit and GET /admin/audit have the rest.")


def _row(entry: Answer) -> Answer:
    return {
        "When": management.moment(entry["at"]),
        "Who": entry["actor"],
        "Did": entry["action"].replace("_", " "),
        "To": entry["target"],
        "Source": entry["source"],
        "What": json.dumps(entry["detail"], ensure_ascii=False) if entry["detail"] else None,
    }
