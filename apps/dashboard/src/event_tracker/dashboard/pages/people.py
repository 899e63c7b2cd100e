"""The page People: the staff, who may sign in, with their rights, and API tokens."""

from typing import Any
from urllib.parse import quote

import streamlit as st

from event_tracker.dashboard.charts import charts
from event_tracker.dashboard.client import management
from event_tracker.dashboard.client.api import Answer
from event_tracker.dashboard.markdown import as_text
from event_tracker.dashboard.notices import show_refusal

NEW = "New person …"
ROLES = {
    "viewer": "viewer: sees numbers",
    "analyst": "analyst: sees events too, and exports",
    "admin": "admin: manages everything",
}
SCOPES = {
    "read_stats": "numbers",
    "read_events": "single events and users",
    "export": "all events as a file",
    "sql": "statements in SQL",
    "admin": "management and people's data",
}


def show() -> None:
    """Draw the page."""
    management.show_done()
    st.caption("People may sign in to this dashboard; API tokens let programs ask the query service.")
    secret = management.take_secret()
    if secret:
        with st.container(border=True):
            st.warning(f"{secret['what']} It is shown only once: copy it now.", icon=":material/key:")
            st.code(secret["secret"], language=None)
    sources = [source["name"] for source in management.items("sources")]
    with show_refusal():
        _people(sources)
    st.header("API tokens", anchor=False)
    with show_refusal():
        _tokens(sources)


def _people(sources: list[str]) -> None:
    people = management.items("people")
    charts.table([_row(person) for person in people], "People")
    chosen = st.selectbox("Person", [*(person["name"] for person in people), NEW], key="person", bind="query-params")
    person: Answer = next((one for one in people if one["name"] == chosen), {})
    with st.form(f"person {chosen}"), show_refusal():
        name = chosen if person else st.text_input("Name", help="Lower-case letters, digits and . _ @ + -")
        given = _rights(person, sources)
        if st.form_submit_button("Save", type="primary"):
            if name:
                management.change("PUT", f"people/{quote(name, safe='')}", json=given)
                management.finish(f"{as_text(name)} is saved.", person=name)
            st.warning("Enter a name.")
    if (
        person
        and not person["by_provider"]
        and st.button("Make a password for one sign-in", help="Their sign-ins end.")
    ):
        made = management.change("POST", f"people/{quote(str(chosen), safe='')}/password")
        management.show_once(
            what=f"A password with which {as_text(str(chosen))} may sign in once.", secret=made["password"]
        )


def _row(person: Answer) -> Answer:
    return {
        "Name": person["name"],
        "Role": person["role"],
        "Sees": _format_sources(person["sources"]),
        "May sign in": person["enabled"],
        "Signs in by": _sign_in_method(person),
        "Last seen": management.moment(person["last_seen"]),
    }


def _sign_in_method(person: Answer) -> str:
    if person["by_provider"]:
        return "the provider"
    return (
        "a password for one sign-in" if person["one_time"] else "password" if person["has_password"] else "nothing yet"
    )


def _rights(person: Answer, sources: list[str]) -> dict[str, Any]:
    roles = list(ROLES)
    role = st.selectbox("Role", roles, roles.index(person.get("role", "viewer")), format_func=lambda role: ROLES[role])
    return {
        "role": role,
        "sources": _choose_sources(person.get("sources"), sources),
        "enabled": st.toggle("May sign in", person.get("enabled", True)),
    }


def _choose_sources(chosen: list[str] | None, sources: list[str]) -> list[str] | None:
    return st.multiselect("Sees the events of", sources, chosen, placeholder="every source") or None


def _format_sources(sources: list[str] | None) -> str:
    return "every source" if sources is None else ", ".join(sources)


def _tokens(sources: list[str]) -> None:
    tokens = management.items("tokens")
    if tokens:
        charts.table([_token_row(token) for token in tokens], "API tokens")
    with st.expander("Make a token"), st.form("token"):
        name = st.text_input("What it is for")
        scopes = st.multiselect("Scopes", list(SCOPES), format_func=lambda scope: SCOPES[scope])
        whose = _choose_sources(None, sources)
        days = st.number_input("Days until it expires", 0, 3650, 90, help="0 is never.")
        if st.form_submit_button("Make it"):
            body = {"name": name, "scopes": scopes, "sources": whose, "days": days or None}
            management.show_once(what="The new token.", secret=management.change("POST", "tokens", json=body)["token"])
    counting = {token["prefix"]: token["name"] for token in tokens if not token["revoked_at"]}
    if counting:
        with st.expander("Revoke a token"):
            prefix = st.selectbox("Token", list(counting), format_func=lambda prefix: f"{prefix} ({counting[prefix]})")
            if st.button("Revoke it"):
                management.change("DELETE", f"tokens/{prefix}")
                management.finish(f"{prefix} is revoked.")


def _token_row(token: Answer) -> Answer:
    return {
        "Token": f"{token['prefix']}_…",
        "For": token["name"],
        "Scopes": "; ".join(SCOPES[scope] for scope in SCOPES if scope in token["scopes"]),
        "Sees": _format_sources(token["sources"]),
        "Expires": management.moment(token["expires_at"]),
        "Made by": token["made_by"],
        "Last used": management.moment(token["last_used"]),
        "Revoked": management.moment(token["revoked_at"]),
        "Valid": token["counts"],
    }
