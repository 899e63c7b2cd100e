"""Numbers in boxes, side by side as far as the width allows: two in a row on a phone."""

from collections.abc import Mapping

import streamlit as st

from event_tracker.dashboard.charts import numbers


def show(values: Mapping[str, str], key: str = "") -> None:
    """A box for each name and its number; `key` tells several rows of a page apart."""
    with _row(key):
        for name, value in values.items():
            st.metric(name, value, border=True)


def compare(now: Mapping[str, int], before: Mapping[str, int]) -> None:
    """A box for each name, with its change from the number before, and that number."""
    with _row(""):
        for name, value in now.items():
            change, earlier = numbers.change(value, before[name]), f"from {numbers.count(before[name])}"
            st.metric(name, numbers.count(value), delta=change, delta_description=earlier, border=True)


def _row(key: str) -> st.delta_generator.DeltaGenerator:
    return st.container(horizontal=True, key=f"tiles{key}")
