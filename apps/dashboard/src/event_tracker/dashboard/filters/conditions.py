"""Conditions on the properties of a funnel's step, as NAME=value."""

from collections.abc import Iterable
from typing import Any

import streamlit as st

from event_tracker.dashboard.markdown import as_text

HELP = "NAME=value, for example page=/pricing; all of them must match. Values are compared as text, numbers as numbers."


def choose(label: str, key: str, container: Any = st) -> list[str]:
    """Draw an input for conditions, and return the valid ones."""
    chosen: list[str] = container.multiselect(
        label, [], key=key, bind="query-params", accept_new_options=True, placeholder="NAME=value", help=HELP
    )
    wrong = [one for one in chosen if not is_condition(one)]
    for one in wrong:
        container.warning(
            f"“{as_text(one)}” isn't of the form NAME=value, the only comparison that there is, so it isn't used."
        )
    return [one for one in chosen if one not in wrong]


def is_condition(text: str) -> bool:
    """Whether the text is NAME=value. `amount>=5` isn't accepted: it would mean a property called `amount>`."""
    name, sign, _ = text.partition("=")
    return bool(name and sign) and not name.endswith(("!", "<", ">", "~"))


def by_name(conditions: Iterable[str]) -> dict[str, str]:
    """["page=/a=b"] as {"page": "/a=b"}."""
    return {name: value for name, _, value in (one.partition("=") for one in conditions)}
