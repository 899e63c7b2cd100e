"""The filter bar: the conditions of the page's events, as chips. They are in the URL, in the form that the query service takes.

A chip opens a form that changes or removes its condition. The forms are a fragment, so that what is typed there doesn't draw the
page again before it is applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from event_tracker.dashboard.client.api import Answer, ask
from event_tracker.dashboard.client.service import RefusedError, UnavailableError
from event_tracker.dashboard.filters import grammar
from event_tracker.dashboard.filters.filters import FILTER, Filters
from event_tracker.dashboard.filters.grammar import Condition, Part
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import open_sign_in, show_problem

APPLIED = "_filters_were_applied"
"""The key that tells the fragment, after a click in it, to draw the whole page."""

NAMES, VALUES = 500, 200
"""The most fields and values that are suggested. Others can be typed."""

LABEL = 40
"""The most characters of a chip."""

ALL, ANY = "All match", "Any matches"


@dataclass(frozen=True)
class Bar:
    """The parts of the bar, and whether one that matches is enough."""

    parts: tuple[Part, ...] = ()
    any_matches: bool = False

    def with_part(self, number: int, *parts: Part) -> "Bar":
        """The bar with these in place of the part with this number, if there is one."""
        return replace(self, parts=(*self.parts[:number], *parts, *self.parts[number + 1 :]))


def show(chosen: Filters, place: DeltaGenerator) -> bool:
    """Draw the bar in this container. Returns False if the query service refuses the filters; then the bar says why."""
    with place:
        _draw(chosen)
    return not chosen.filters or _is_valid(chosen)


def _is_valid(chosen: Filters) -> bool:
    """Ask for a range without events, which the query service refuses if the filters are wrong. Then show its sentence."""
    start = chosen.period.bounds["from"]
    try:
        ask("/stats/timeseries", **{**chosen.parameters, "from": start, "to": start})
    except RefusedError as refused:
        show_problem(refused)
        return False
    return True


@st.fragment
def _draw(chosen: Filters) -> None:
    if st.session_state.pop(APPLIED, False):
        st.rerun()
    alternatives = grammar.read_alternatives(chosen.filters)
    bar = Bar(tuple(alternatives or map(grammar.parse, chosen.filters)), any_matches=bool(alternatives))
    with open_sign_in(), st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for number, part in enumerate(bar.parts):
            text = grammar.describe(part)
            label = as_text(text if len(text) <= LABEL else f"{text[: LABEL - 1]}…")
            _form_behind(label, chosen, bar, number)
        _form_behind("Add a filter", chosen, bar, len(bar.parts), icon=":material/filter_list:")
        if len(bar.parts) > 1:
            if all(isinstance(part, Condition) for part in bar.parts):
                _choose_match(bar)
            st.button("Clear all", key="clear filters", type="tertiary", on_click=_apply, args=[Bar()])


def _form_behind(label: str, chosen: Filters, bar: Bar, number: int, icon: str | None = None) -> None:
    """A button that opens the form of the part with this number, or of a further one. The form asks for suggestions, so it is drawn
    only while it is open."""
    # Another key for other filters: so a form is closed, and its inputs are new, once it has been applied.
    key = f"filter {number} {hash(bar)}"
    popover = st.popover(label, key=key, on_change="rerun", icon=icon)
    if popover.open:
        with popover:
            _form(chosen, bar, number, key)


def _form(chosen: Filters, bar: Bar, number: int, key: str) -> None:
    part = bar.parts[number] if number < len(bar.parts) else None
    if isinstance(part, str):
        st.text_area("Filter, as the API takes it", part, key=f"{key} text")
    else:
        _choose_condition(chosen, part, key)
    if st.session_state.get(f"{key} incomplete"):
        st.warning("Choose a field and a value.")
    with st.container(horizontal=True):
        st.button(
            "Change" if part else "Add", key=f"{key} apply", type="primary", on_click=_submit, args=[bar, number, key]
        )
        if part:
            st.button("Remove", key=f"{key} remove", on_click=_apply, args=[bar.with_part(number)])


def _submit(bar: Bar, number: int, key: str) -> None:
    """Apply what is in the inputs of a form. What was typed last may have come with the click on its button."""
    text: str | None = st.session_state.get(f"{key} text")
    part = grammar.parse(text.strip()) if text else _read_condition(key)
    if part:
        _apply(bar.with_part(number, part))
    else:
        st.session_state[f"{key} incomplete"] = True


def _read_condition(key: str) -> Condition | None:
    """The condition in the inputs of a form; None if it isn't complete."""
    state = st.session_state
    if not state.get(f"{key} field"):
        return None
    field = grammar.as_field(state[f"{key} field"])
    operator = state.get(f"{key} operator {field}")
    if not operator:
        return None
    if operator in grammar.WITHOUT_VALUE:
        return Condition(field, operator)
    values = state.get(f"{key} {_kind_of_values(field, operator)} {field}")
    # The empty text is a value.
    if not values and (values != "" or field in grammar.TIMES):
        return None
    return Condition(field, operator, (values,) if isinstance(values, str) else tuple(values))


def _kind_of_values(field: str, operator: str) -> str:
    return "time" if field in grammar.TIMES else "values" if operator == grammar.LIST else "value"


def _choose_condition(chosen: Filters, part: Condition | None, key: str) -> None:
    """Draw the inputs of a condition."""
    suggested = {item["field"]: item["operators"] for item in _suggest("/stats/fields", chosen, limit=NAMES)["items"]}
    fields = list(dict.fromkeys([*([part.field] if part else []), *(suggested or grammar.FIELDS)]))
    typed = st.selectbox(
        "Field or property", fields, index=0 if part else None, key=f"{key} field", format_func=grammar.name_field,
        accept_new_options=True, placeholder="Choose, or type a property's name",
    )  # fmt: skip
    if not typed:
        return
    field = grammar.as_field(typed)
    operators = suggested.get(field, list(grammar.OPERATORS))
    given = part.operator if part and part.operator in operators else operators[0]
    operator = st.selectbox(
        "Operator", operators, index=operators.index(given), key=f"{key} operator {field}", required=True,
        format_func=grammar.OPERATORS.__getitem__,
    )  # fmt: skip
    if operator and operator not in grammar.WITHOUT_VALUE:
        _choose_values(chosen, field, operator, part.values if part and part.field == field else (), key)


def _choose_values(chosen: Filters, field: str, operator: str, given: Sequence[str], key: str) -> None:
    kind = _kind_of_values(field, operator)
    key = f"{key} {kind} {field}"
    if kind == "time":
        st.text_input("Time", "".join(given[:1]), key=key, placeholder=chosen.period.bounds["from"])
        return
    suggested = list(dict.fromkeys([*given, *_suggest("/stats/values", chosen, field=field, limit=VALUES)["items"]]))
    if kind == "values":
        st.multiselect("Values", suggested, list(given), key=key, accept_new_options=True, placeholder="Choose or type")
    else:
        st.selectbox(
            "Value", suggested, index=0 if given else None, key=key, accept_new_options=True, placeholder="Choose or type",
        )  # fmt: skip


def _suggest(path: str, chosen: Filters, **parameters: Any) -> Answer:
    """The query service's suggestions; none if it doesn't answer, or the reader may not see such values. They can be typed."""
    try:
        return ask(path, **chosen.period.parameters, **chosen.among, **parameters)
    except (RefusedError, UnavailableError):
        return {"items": []}


def _choose_match(bar: Bar) -> None:
    now = ANY if bar.any_matches else ALL
    other = replace(bar, any_matches=not bar.any_matches)
    st.segmented_control(
        "Which filters must match", [ALL, ANY], default=now, required=True, key=f"match {hash(bar)}", label_visibility="collapsed",
        on_change=_apply, args=[other],
    )  # fmt: skip


def _apply(bar: Bar) -> None:
    """Use these filters. The page is drawn with them next."""
    st.session_state[FILTER] = grammar.write(bar.parts, any_matches=bar.any_matches)
    st.session_state[APPLIED] = True
