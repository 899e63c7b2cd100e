"""SQL of the users who are active in an interval."""

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.stats.columns.selection import Parameters, select_query
from event_tracker.query.stats.query_types import FilteredQuery

PARTS = load_queries("event_tracker.query.stats.columns", "active_users.sql")


def build_active_users(query: FilteredQuery, number: str, parameters: Parameters, by: str | None = None) -> str:
    """A SELECT of distinct (number, key, user_id) of the events that a query selects; `key` is null without a dimension `by`.

    Args:
        number: expression of the interval's number (interval_numbers).
    """
    selected = select_query(query, parameters, by)
    sent = PARTS["sent"].format(number=number, selected=selected)
    # Conditions on users are about persons: then `events` has these already.
    if query.identity == "raw" or parameters.behaviours:
        return sent
    parameters.maps_users = True
    return PARTS["persons"].format(sent=sent)
