"""Numbers in boxes, side by side: four in a row, on a phone two."""

from collections.abc import Mapping

import streamlit as st

from event_tracker.dashboard.charts import numbers


def show(values: Mapping[str, str], key: str = "") -> None:
    """Show a box for each name and its number. `key` must be different for each group of boxes on a page."""
    with _row(key):
        for name, value in values.items():
            st.metric(name, value, border=True)


def compare(now: Mapping[str, int], before: Mapping[str, int]) -> None:
    """Show a box for each name, with its number, the previous number, and the change from that."""
    with _row(""):
        for name, value in now.items():
            change, earlier = numbers.change(value, before[name]), f"from {numbers.count(before[name])}"
            st.metric(name, numbers.count(value), delta=change, delta_description=earlier, border=True)


def _row(key: str) -> st.delta_generator.DeltaGenerator:
    return st.container(horizontal=True, key=f"tiles{key}")
