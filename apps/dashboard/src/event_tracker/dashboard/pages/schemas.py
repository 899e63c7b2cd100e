"""The page Schemas: the event schemas of a source, and refused events."""

import json
from typing import Any

import streamlit as st

from event_tracker.dashboard.charts import charts, numbers
from event_tracker.dashboard.client import management
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.client.service import RefusedError
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import show_refusal

NEW = "Another event type …"
DRAFT = "_schema_draft"
CHECKS = {
    "off": "Events aren't checked",
    "warn": "Events that violate their schema are stored and flagged",
    "enforce": "Events that violate their schema are refused",
}
EMPTY = '{\n  "type": "object",\n  "properties": {}\n}'


def show() -> None:
    """Draw the page."""
    management.show_done()
    st.caption("A schema says which properties the events of a type have. Each source has its own schemas.")
    names = [source["name"] for source in management.items("sources")]
    source = st.selectbox("Source", names, key="managed", bind="query-params")
    if source is None:
        return
    _schemas(source)
    st.header("Refused events", anchor=False)
    with show_refusal():
        _rejections(source)


def _schemas(source: str) -> None:
    listed = management.items(f"sources/{source}/schemas")
    if listed:
        charts.table([_row(one) for one in listed], "Schemas")
        st.caption(f"{CHECKS[listed[0]['mode']]}, as set on the page Sources.")
        if any(one.get("set_aside_until") for one in listed):
            st.caption(
                "A schema is set aside for a minute when its checks take too long. Large events are then stored unchecked."
            )
    else:
        st.caption("This source has no schemas: every valid event is stored.")
    chosen = st.selectbox("Event type", [*(one["event_type"] for one in listed), NEW], key="type", bind="query-params")
    event_type = st.text_input("Name of the event type") if chosen == NEW else chosen
    if event_type:
        _edit(source, event_type)


def _row(one: Answer) -> Answer:
    return {
        "Event type": one["event_type"],
        "Version": one["version"],
        "Since": management.moment(one["created_at"]),
        "Set aside until": management.moment(one.get("set_aside_until")),
    }


def _edit(source: str, event_type: str) -> None:
    versions = management.items(f"sources/{source}/schemas", event_type=event_type)
    key = f"{DRAFT}/{source}/{event_type}"
    if key not in st.session_state:
        st.session_state[key] = _format_json(versions[0]["schema"]) if versions else EMPTY
    if st.button("Propose one from what was received", help="Of the newest events of this type; nothing is saved."):
        with show_refusal():
            proposal = management.change("GET", f"sources/{source}/schemas/proposal", params={"event_type": event_type})
            st.session_state[key] = _format_json(proposal["schema"])
            st.info(f"Made from {proposal['events']:,} events. Look at it before you save it.")
    # Outside of a form the text is sent when its input loses the focus, which is when the mouse button is pressed on Save. The page
    # is then drawn again, which may move Save away before the mouse button is released, and the click would be lost.
    with st.form(f"schema of {event_type} of {source}", border=False):
        text = st.text_area("JSON Schema 2020-12 of its properties", key=key, height=320)
        if st.form_submit_button("Save as the newest version", type="primary"):
            _save(source, event_type, text)
    for version in versions[1:]:
        with st.expander(f"Version {version['version']}, {management.moment(version['created_at'])}"):
            st.code(_format_json(version["schema"]), language="json")


def _save(source: str, event_type: str, text: str) -> None:
    try:
        schema = json.loads(text)
    except ValueError as error:
        st.error(f"This isn't JSON: {as_text(str(error))}")
        return
    try:
        done = management.change("PUT", f"sources/{source}/schemas", json={"event_type": event_type, "schema": schema})
    except RefusedError as refused:
        where = refused.problem.get("pointer")
        st.error(as_text(f"{refused.detail} At: {where}" if where else refused.detail))
        return
    says = "is saved" if done["is_new"] else "is that already"
    management.finish(f"Version {done['version']} of {as_text(event_type)} {says}.")


def _format_json(schema: Any) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False)


def _rejections(source: str) -> None:
    counts = management.items("rejections/counts", source=source)
    if not counts:
        st.caption("There are none. Events that aren't valid, or violate their schema, are kept here for a while.")
        return
    charts.table([_count_row(one) for one in counts], "Refused events by reason")
    reasons = sorted({one["reason"] for one in counts})
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    reason = left.selectbox("Reason", reasons, key="reason", bind="query-params")
    if right.button("Try these again", help="Collectors begin within two seconds. What is refused again stays here."):
        asked = management.change("POST", "rejections/replay", json={"source": source, "reason": reason})["events"]
        management.finish(f"{numbers.counted(asked, 'event')} will be tried again.")
    for one in management.items("rejections", source=source, reason=reason, limit=20):
        with st.expander(f"{management.moment(one['received_at'])} · {as_text(one['event_type'] or 'no event type')}"):
            for error in one["detail"]:
                st.text(f"{error.get('pointer', '')}: {error.get('detail', '')}")
            if one.get("client"):
                st.caption(f"Sent by {as_text(one['client'])}")
            st.code(one["payload"], language="json", wrap_lines=True)


def _count_row(one: Answer) -> Answer:
    return {
        "Reason": one["reason"],
        "Event type": one["event_type"],
        "Events": one["events"],
        "To be tried again": one["waiting"],
        "Last": management.moment(one["last"]),
    }
