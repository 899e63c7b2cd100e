"""What an erasure does about copies of events that it can't delete itself: in topics of Kafka, in archives of them, and in the lake."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import Annotated

import msgspec
import psycopg
from msgspec import Meta

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.answers import Time

QUERIES = load_queries("event_tracker.query.users", "copies.sql")


class Copies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where else there may be events of an erased user. Storers and replays leave out those in a topic."""

    place: Annotated[
        str,
        Meta(
            description="`topic NAME` of Kafka, `published topics`, `cassandra`, `lake`, or `archive of topics`: files that are made of "
            "one."
        ),
    ]
    until: Annotated[Time | None, Meta(description="From then on there are none; null: there is no such time.")]


def shut_out_storers(connection: psycopg.Connection) -> None:
    """Wait for the batches that storers are storing; later ones wait for this transaction. Nothing else may be locked yet."""
    connection.execute(QUERIES["shut_out_storers"])


def note_for_copies(connection: psycopg.Connection, user_ids: Sequence[str], sources: Sequence[str] | None) -> None:
    """Note the erasure for those who have copies: relays tell who got events from them, storers leave out what was written before, and
    the lake erases archived days. For what isn't used, nothing is noted.

    Args:
        sources: of which sources the events are erased; None is all.
    """
    given = {"user_ids": user_ids, "sources": sources}
    connection.execute(QUERIES["note_for_relays"], given, binary=True)
    connection.execute(QUERIES["note_for_storers"], {"salt": token_bytes(16), **given}, binary=True)
    connection.execute(QUERIES["note_for_lake"], given, binary=True)
    connection.execute(QUERIES["say_noted"])


def find_copies(connection: psycopg.Connection, at: datetime, topic_archive_days: int) -> list[Copies]:
    """Where there may be events of a user who is erased at this time.

    Args:
        topic_archive_days: for so many days archives have an event; 0: there is none.
    """
    copies = [Copies(*row) for row in connection.execute(QUERIES["find_copies"], binary=True).fetchall()]
    if topic_archive_days:
        copies.append(Copies("archive of topics", at + timedelta(days=topic_archive_days)))
    return copies
