"""Lists the most recently active users: ids as they were sent, or persons with all ids that are linked to them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from event_tracker.columns.engine import Deadline, Persons
from event_tracker.query.auth.calls import Sources
from event_tracker.query.parameter_types import EARLIEST
from event_tracker.query.parameters import ParameterError, invalid_parameters
from event_tracker.query.stats.sql.statements import QUERIES, fill
from event_tracker.query.stats.time_range import DAY, HOUR, floor_time

LOOKBACKS = (timedelta(0), DAY, 30 * DAY)
"""How far to look back from the newest hour with events. The last attempt reads all events."""

MOMENT = timedelta(microseconds=1)

MAX_JOINED = 100_000
"""How many ids of persons with several a page may read: whoever has a write key can link ids without end. Then it ends early."""

TOO_MANY_IDS = (
    f"The next person can't be told without reading more than {MAX_JOINED:,} ids. "
    "With `identity=raw` the list has ids as they were sent."
)

MAX_ROWS = 10_000
"""Of a page of ids."""


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


class UserPage(NamedTuple):
    """Users, most recently active first. If it is cut, there may be more, though it has fewer than were asked for."""

    users: list[ActiveUser]
    is_cut: bool


class ActiveIds:
    """Reads ids from PostgreSQL, in one snapshot. All that is read together takes as long as the deadline allows.

    Raises:
        Problem: 504 after the deadline.
        psycopg.errors.QueryCanceled: if the deadline comes while a statement runs.
    """

    def __init__(self, connection: psycopg.Connection, sources: Sources, deadline: Deadline) -> None:
        self._connection = connection
        self._sources = sources
        self.deadline = deadline

    def page(self, after: UserPosition, most: int, without: Iterable[str] = ()) -> list[ActiveUser]:
        """`most` ids after a position, the most recently active first; `without` some."""
        given = {
            "rows": most,
            "after_timestamp": after.last_seen,
            "after_hour": floor_time(after.last_seen, HOUR),
            "after_user_id": after.user_id,
            "without": list(without),
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
        self.deadline.check()
        limit = {"milliseconds": max(1, int(self.deadline.remaining * 1000))}
        self._connection.execute(QUERIES["list_users.limit_time"], limit, binary=True)
        # Not prepared: the session's generic plans don't suit it.
        rows = self._connection.execute(statement, given, prepare=False, binary=True).fetchall()
        return [ActiveUser(*row) for row in rows]


def list_active_persons(ids: ActiveIds, persons: Persons, after: UserPosition, most: int) -> UserPage:
    """`most` persons after a position, the most recently active first; fewer if they have more than MAX_JOINED ids.

    The list of ids has each person where it has the most recently active of their ids. At one moment, persons and ids may be in another
    order, so a moment is read as a whole.

    A person is joined with the first of their ids, and the others are left out of the pages that follow: each id is read once. Pages
    become larger, so that there are few.

    Raises:
        Problem: 422 if not even one person can be told without reading more than MAX_JOINED ids; 504 after the deadline of `ids`.
    """
    found: list[ActiveUser] = []
    joined: set[str] = set()
    # No id comes before the empty one.
    place = UserPosition(after.last_seen + MOMENT, "")
    rows = most
    while True:
        page = ids.page(place, rows, joined)
        read, person_of = _find_persons(ids, persons, page, MAX_JOINED - len(joined))
        joined.update(person_of, person_of.values())
        found += [user for user in _join(ids, read, person_of) if user.position < after]
        # Those behind can't be in the answer, however many are found at one moment.
        found = sorted(found, key=lambda user: user.position, reverse=True)[:most]
        is_cut = len(read) < len(page)
        # What is the next id, or may be.
        next_seen = page[len(read)].last_seen if is_cut else page[-1].last_seen if len(page) == rows else None
        complete = [user for user in found if next_seen is None or user.last_seen > next_seen]
        if next_seen is None or len(complete) == most:
            return UserPage(complete, False)
        if is_cut:
            if not complete:
                raise invalid_parameters([ParameterError("identity", "too_many_ids", TOO_MANY_IDS)])
            return UserPage(complete, True)
        place = page[-1].position
        rows = min(2 * rows, MAX_ROWS)


def _find_persons(
    ids: ActiveIds, persons: Persons, page: list[ActiveUser], most: int
) -> tuple[list[ActiveUser], dict[str, str]]:
    """The persons of the ids of a page, for each of all their aliases; and the ids that it is about: as many of the first ones as
    have `most` ids together."""
    while page:
        found = persons.persons_of((user.user_id for user in page), ids.deadline)
        wanted = {found.get(user.user_id, user.user_id) for user in page}
        person_of = dict(persons.aliases_of(wanted, most + 1, ids.deadline))
        if len({*person_of, *person_of.values()}) <= most:
            return page, person_of
        page = page[: len(page) // 2]
    return [], {}


def _join(ids: ActiveIds, page: list[ActiveUser], person_of: dict[str, str]) -> list[ActiveUser]:
    """The persons of ids, each with all of their ids."""
    unread = {*person_of, *person_of.values()}.difference(user.user_id for user in page)
    users: dict[str, ActiveUser] = {}
    for user in (*page, *(ids.read(unread) if unread else ())):
        person = person_of.get(user.user_id, user.user_id)
        same = users.get(person)
        users[person] = user._replace(user_id=person) if same is None else _add(same, user)
    return list(users.values())


def _add(person: ActiveUser, user: ActiveUser) -> ActiveUser:
    """A person with one more of their ids."""
    return ActiveUser(
        person.user_id,
        min(person.first_seen, user.first_seen),
        max(person.last_seen, user.last_seen),
        person.events + user.events,
    )
