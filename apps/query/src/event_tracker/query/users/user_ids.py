"""Finds all ids of a person whose data is exported or erased."""

import psycopg

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.identity import MAX_IDS, Identity, limited_ids

FIND_IDS = load_queries("event_tracker.query.users")["find_ids"]


def find_ids(connection: psycopg.Connection, user_id: str, identity: Identity, sources: list[str] | None) -> list[str]:
    """All ids of the person with this id, for who may see these sources (None is all), or this id alone.

    Raises:
        Problem: 422 if there are too many.
    """
    given = {"user_id": user_id, "is_linked": identity == "linked", "sources": sources, "most_ids": MAX_IDS}
    with limited_ids():
        ((ids,),) = connection.execute(FIND_IDS, given, binary=True).fetchall()
    return list(ids)
