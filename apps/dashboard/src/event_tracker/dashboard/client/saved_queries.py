"""Requests to /sql/queries: statements that are kept under a name. Answers aren't cached: what was just saved must be there."""

from urllib.parse import quote

from event_tracker.dashboard.client import management
from event_tracker.dashboard.client.api import Answer

PATH = "/sql/queries"


def list_queries() -> list[Answer]:
    """Those that the visitor sees, by name. Raises as `current.request` does."""
    found: list[Answer] = management.send("GET", PATH)["items"]
    return found


def save(name: str, statement: str) -> None:
    """Save a statement. Raises as `current.request` does."""
    management.send("PUT", _path_of(name), json={"sql": statement})


def remove(name: str) -> None:
    """Remove a saved query. Raises as `current.request` does."""
    management.send("DELETE", _path_of(name))


def _path_of(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"
