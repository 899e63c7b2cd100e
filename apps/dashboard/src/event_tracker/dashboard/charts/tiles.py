"""Numbers in boxes, side by side: four in a row, on a phone two."""

from collections.abc import Mapping
from typing import NamedTuple

import streamlit as st

from event_tracker.dashboard.charts import numbers


class Tile(NamedTuple):
    """A number, its change from an earlier one, and that one. Without a change there is nothing to compare with."""

    value: str
    change: str | None = None
    earlier: str | None = None
    less_is_better: bool = False


def show(values: Mapping[str, str], key: str = "") -> None:
    """Show a box for each name and its number. `key` must be different for each group of boxes on a page."""
    show_tiles({name: Tile(value) for name, value in values.items()}, key)


def compare(now: Mapping[str, int], before: Mapping[str, int]) -> None:
    """Show a box for each name, with its number, the previous number, and the change from that."""
    show_tiles(
        {
            name: Tile(numbers.count(value), numbers.change(value, before[name]), f"from {numbers.count(before[name])}")
            for name, value in now.items()
        }
    )


def show_tiles(shown: Mapping[str, Tile], key: str = "") -> None:
    """Show a box for each name."""
    with st.container(horizontal=True, key=f"tiles{key}"):
        for name, tile in shown.items():
            st.metric(
                name, tile.value, delta=tile.change, delta_description=tile.earlier, border=True,
                delta_color="inverse" if tile.less_is_better else "normal",
            )  # fmt: skip
