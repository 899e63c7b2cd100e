"""The page Sources: the sites and apps that send events, and their write keys."""

from html import escape
from urllib.parse import quote

import streamlit as st

from event_tracker.dashboard.charts import charts
from event_tracker.dashboard.client import management
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import show_refusal
from event_tracker.dashboard.settings import Settings

NEW = "New source …"
MODES = {
    "off": "Don't check schemas",
    "warn": "Store events that violate their schema, and flag them",
    "enforce": "Refuse events that violate their schema",
}
CURL = """curl {url}/events \\
  -H 'X-Write-Key: {key}' -H 'Content-Type: application/json' \\
  -d '{{"user_id": "ann", "event_type": "page_view", "properties": {{"page": "/"}}}}'"""
SCRIPT = '<script defer src="{url}/tracker.js" data-write-key="{key}"></script>'


def show() -> None:
    """Draw the page."""
    management.show_done()
    st.caption("A source is a site or an app that sends events. Its write keys let it send them.")
    sources = management.items("sources")
    charts.table([_row(source) for source in sources], "Sources")
    names = [source["name"] for source in sources]
    chosen = st.selectbox("Source", [*names, NEW], key="managed", bind="query-params")
    if chosen == NEW:
        _make()
        return
    source = next(one for one in sources if one["name"] == chosen)
    _show_new_key()
    _keys(source)
    _settings(source)


def _row(source: Answer) -> Answer:
    return {
        "Source": source["name"],
        "Takes events": source["enabled"],
        "Origins of pages": ", ".join(source["allowed_origins"]) or None,
        "Rate limit": source["rate_limit"],
        "Schemas": source["schema_mode"],
        "Keys": source["keys"],
        "Last used": management.moment(source["last_used"]),
    }


def _make() -> None:
    with st.form("new source"), show_refusal():
        name = st.text_input(
            "Name", help="Lower-case letters, digits, - and _. It can't be changed later: it is stored with events."
        )
        if st.form_submit_button("Make it", type="primary"):
            if name:
                management.change("PUT", f"sources/{quote(name, safe='')}", json={})
                management.finish(
                    f"{as_text(name)} was created. Make a key for it, and list the pages that may send events.",
                    managed=name,
                )
            st.warning("Enter a name.")


def _show_new_key() -> None:
    secret = management.take_secret()
    if not secret:
        return
    url = Settings.read().collector_url
    with st.container(border=True):
        st.subheader("The new key", anchor=False)
        st.warning("It is shown only once, since only its hash is stored: copy it now.", icon=":material/key:")
        st.code(secret["key"], language=None)
        st.markdown("From a server, or to try it:")
        st.code(CURL.format(url=url, key=secret["key"]), language="shell", wrap_lines=True)
        st.markdown("In the pages of a site, whose origin must be among those that may send:")
        st.code(SCRIPT.format(url=escape(url), key=secret["key"]), language="html", wrap_lines=True)


def _keys(source: Answer) -> None:
    name = source["name"]
    st.subheader("Write keys", anchor=False)
    with show_refusal():
        keys = management.items(f"sources/{name}/keys")
        if keys:
            charts.table([_key_row(key) for key in keys], "Write keys")
        else:
            st.caption("There is no key yet. Where keys are required, nothing can send events to this source.")
        left, right = st.columns(2)
        if left.button("Make a key", type="primary"):
            management.show_once(key=management.change("POST", f"sources/{name}/keys")["key"])
        counting = [key["prefix"] for key in keys if not key["revoked_at"]]
        if counting:
            with right.popover("Revoke a key"):
                _revoke(counting)


def _key_row(key: Answer) -> Answer:
    return {
        "Key": f"{key['prefix']}_…",
        "Made": management.moment(key["created_at"]),
        "Last used": management.moment(key["last_used"]),
        "Revoked": management.moment(key["revoked_at"]),
    }


def _revoke(prefixes: list[str]) -> None:
    prefix = st.selectbox("Key", prefixes)
    st.caption("Collectors refuse it within two seconds. This can't be undone.")
    if st.button("Revoke it"):
        management.change("DELETE", f"keys/{prefix}")
        management.finish(f"{prefix} is revoked.")


def _settings(source: Answer) -> None:
    name = source["name"]
    st.subheader("Settings", anchor=False)
    with st.form(f"settings of {name}"), show_refusal():
        enabled = st.toggle("Takes events", source["enabled"])
        origins = st.text_area(
            "Pages that may send events, one origin a line",
            "\n".join(source["allowed_origins"]),
            placeholder="https://shop.example",
            help=r"\* means any. Servers may always send.",
        )
        rate = st.number_input(
            "Rate limit (events a second for each key)", 0, 1_000_000, source["rate_limit"] or 0, help="0 is no limit."
        )
        keep = st.number_input(
            "Days for which its events are kept", 0, 36_500, source["keep"] or 0, help="0: as long as by default."
        )
        mode = st.selectbox(
            "Schemas", list(MODES), list(MODES).index(source["schema_mode"]), format_func=lambda mode: MODES[mode]
        )
        if st.form_submit_button("Save"):
            given = {
                "enabled": enabled,
                "allowed_origins": origins.split(),
                "rate_limit": rate or None,
                "schema_mode": mode,
                "keep": keep or None,
            }
            management.change("PUT", f"sources/{name}", json=given)
            management.finish(f"{as_text(name)} is saved. Collectors apply it within two seconds.")
