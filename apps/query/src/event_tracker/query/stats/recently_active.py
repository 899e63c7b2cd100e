"""Lists the most recently active users: ids as they were sent, or persons with all ids that are linked to them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from event_tracker.columns.engine import Persons
from event_tracker.query.auth.calls import Sources
from event_tracker.query.parameter_types import EARLIEST
from event_tracker.query.stats.sql.statements import QUERIES, fill
from event_tracker.query.stats.time_range import DAY, HOUR, floor_time

LOOKBACKS = (timedelta(0), DAY, 30 * DAY)
"""How far to look back from the newest hour with events. The last attempt reads all events."""

MOMENT = timedelta(microseconds=1)


class ActiveUser(NamedTuple):
    """A user with all of their events, of the sources that the question is about."""

    user_id: str
    first_seen: datetime
    last_seen: datetime
    events: int

    @property
    def position(self) -> "UserPosition":
        """Where the user is in the list."""
        return UserPosition(self.last_seen, self.user_id)


class UserPosition(NamedTuple):
    """A position in the order of users, most recently active first: just after this user."""

    last_seen: datetime
    user_id: str


class ActiveIds:
    """Reads ids from PostgreSQL, in one snapshot."""

    def __init__(self, connection: psycopg.Connection, sources: Sources) -> None:
        self._connection = connection
        self._sources = sources

    def page(self, after: UserPosition, most: int) -> list[ActiveUser]:
        """`most` ids after a position, the most recently active first."""
        given = {
            "rows": most,
            "after_timestamp": after.last_seen,
            "after_hour": floor_time(after.last_seen, HOUR),
            "after_user_id": after.user_id,
            "sources": list(self._sources or ()),
        }
        if self._sources is None:
            return self._execute(sql.SQL(QUERIES["list_users"]), given)
        return self._list_of_sources(given)

    def read(self, ids: Iterable[str]) -> list[ActiveUser]:
        """Those of some ids that have events."""
        if self._sources is None:
            statement = fill("list_users.of_ids", first_seen=fill("list_users.first_seen"), sources=sql.SQL(""))
        else:
            first_seen, sources = fill("list_users.first_seen_of_sources"), fill("and_sources")
            statement = fill("list_users.of_ids", first_seen=first_seen, sources=sources)
        return self._execute(statement, {"ids": list(ids), "sources": list(self._sources or ())})

    def _list_of_sources(self, given: dict[str, Any]) -> list[ActiveUser]:
        """The table `users` has the hour of each user's newest event, but of any source. For some sources, the events must be read:
        those of the newest hour first, then further back until there are enough users."""
        ((newest,),) = self._connection.execute(QUERIES["list_users.newest_hour"], given, binary=True).fetchall()
        if newest is None:
            return []
        found: list[ActiveUser] = []
        for since in (*(newest - min(step, newest - EARLIEST) for step in LOOKBACKS), EARLIEST):
            found = self._execute(sql.SQL(QUERIES["list_users.of_sources"]), {**given, "since": since})
            if len(found) == given["rows"]:
                break
        return found

    def _execute(self, statement: sql.SQL | sql.Composed, given: dict[str, Any]) -> list[ActiveUser]:
        # Not prepared: the session's generic plans don't suit it.
        rows = self._connection.execute(statement, given, prepare=False, binary=True).fetchall()
        return [ActiveUser(*row) for row in rows]


def list_active_persons(ids: ActiveIds, persons: Persons, after: UserPosition, most: int) -> list[ActiveUser]:
    """`most` persons after a position, the most recently active first.

    The list of ids has each person where it has the most recently active of their ids. At one moment, persons and ids may be in another
    order, so a moment is read as a whole.
    """
    found: dict[str, ActiveUser] = {}
    # No id comes before the empty one.
    place = UserPosition(after.last_seen + MOMENT, "")
    while True:
        page = ids.page(place, most)
        for user in _join(ids, persons, page):
            if user.position < after:
                found[user.user_id] = user
        whole = EARLIEST if len(page) < most else page[-1].last_seen + MOMENT
        complete = sorted((user for user in found.values() if user.last_seen >= whole), key=_position, reverse=True)
        if len(page) < most or len(complete) >= most:
            return complete[:most]
        place = page[-1].position


def _join(ids: ActiveIds, persons: Persons, page: list[ActiveUser]) -> list[ActiveUser]:
    """The persons of ids, each with all of their ids."""
    found = persons.persons_of(user.user_id for user in page)
    person_of = dict(persons.aliases_of({found.get(user.user_id, user.user_id) for user in page}))
    several = {*person_of, *person_of.values()}
    joined = {user.user_id: user for user in page if user.user_id not in several}
    for user in ids.read(several):
        person = person_of.get(user.user_id, user.user_id)
        same = joined.get(person, user)
        joined[person] = ActiveUser(
            person,
            min(user.first_seen, same.first_seen),
            max(user.last_seen, same.last_seen),
            user.events + (0 if same is user else same.events),
        )
    return list(joined.values())


def _position(user: ActiveUser) -> UserPosition:
    return user.position
