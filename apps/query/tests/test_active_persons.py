"""The list of persons reads each id once, within the time and the number of ids that a question may take."""

from collections import Counter
from datetime import UTC, datetime
from unittest.mock import Mock

import psycopg
import pytest

from event_tracker.columns.engine import Deadline
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import open_pool
from event_tracker.query.events.store import SESSION_SETTINGS
from event_tracker.query.stats import recently_active
from event_tracker.query.stats.recently_active import LOOKBACKS, ActiveIds, UserPosition, list_active_persons
from event_tracker.query.stats.sql.statements import QUERIES
from event_tracker.query.stats.store import StatsStore

ALIASES = 4000
OTHERS = 60
NEWEST = UserPosition(datetime(2027, 1, 1, tzinfo=UTC), "")


class LinkedPersons:
    """One person, `customer`, with many aliases."""

    def persons_of(self, ids, deadline):
        return {one: "customer" for one in ids if one.startswith("alias")}

    def aliases_of(self, persons, most, deadline):
        return [(f"alias{n}", "customer") for n in range(ALIASES)][:most] if "customer" in persons else []


class CountedIds(ActiveIds):
    """Counts how often each id was read, and the statements."""

    def __init__(self, connection, sources, deadline):
        super().__init__(connection, sources, deadline)
        self.reads = Counter()
        self.statements = 0

    def _execute(self, statement, given):
        rows = super()._execute(statement, given)
        self.reads.update(row.user_id for row in rows)
        self.statements += 1
        return rows


class CountdownDeadline(Deadline):
    """Each look at the clock takes a second."""

    def __init__(self, seconds):
        self._left = seconds

    @property
    def remaining(self):
        self._left = max(0, self._left - 1)
        return float(self._left)


@pytest.fixture
def connection(postgres, shared_database, store, minutes):
    """A transaction as questions have it. The newest ids are those of one person; then come as many others as a page has, and more."""
    store({"user_id": f"alias{n}", "timestamp": minutes(600 - n / 10)} for n in range(ALIASES))
    store({"user_id": f"other{n}", "timestamp": minutes(-n)} for n in range(OTHERS))
    with psycopg.connect(postgres.url(shared_database, "query")) as connection, connection.transaction():
        connection.execute(QUERIES["begin"])
        yield connection


@pytest.mark.parametrize("sources", [None, ["default"]], ids=["all sources", "one source"])
def test_each_id_is_read_once(connection, sources):
    # For some sources a page is read up to four times, each further back, until there are enough users.
    lookbacks = 1 if sources is None else len(LOOKBACKS) + 1
    ids = CountedIds(connection, sources, Deadline(600))
    found = list_active_persons(ids, LinkedPersons(), NEWEST, 50).users
    assert [(user.user_id, user.events) for user in found[:2]] == [("customer", ALIASES), ("other0", 1)]
    assert len({user.user_id for user in found}) == len(found) == 50
    assert max(ids.reads.values()) <= lookbacks
    assert ids.reads.total() <= lookbacks * (ALIASES + OTHERS)
    assert ids.statements <= 3 * lookbacks


def test_the_deadline_is_of_all_statements_together(connection):
    ids = CountedIds(connection, None, CountdownDeadline(3))
    with pytest.raises(Problem) as raised:
        list_active_persons(ids, LinkedPersons(), NEWEST, 50)
    assert (raised.value.status, raised.value.code) == (504, "statement_timeout")
    assert ids.statements == 1
    assert connection.execute("show statement_timeout").fetchone() == ("1s",)


def test_the_deadline_is_that_of_the_service(postgres, shared_database):
    pool = open_pool(
        postgres.url(shared_database, "query"), name="test", size=1, timeout=60, options=SESSION_SETTINGS, watched=False
    )
    store = StatsStore(pool, lambda *given: given[-1](LinkedPersons()), ConcurrencyLimit(1), seconds=0)
    with pytest.raises(Problem) as raised:
        store.list_users(50, NEWEST, None, "linked", Mock())
    assert (raised.value.status, raised.value.code) == (504, "statement_timeout")
    pool.close()


def test_persons_with_too_many_ids_are_refused(connection, monkeypatch):
    monkeypatch.setattr(recently_active, "MAX_JOINED", ALIASES)
    ids = CountedIds(connection, None, Deadline(600))
    with pytest.raises(Problem) as raised:
        list_active_persons(ids, LinkedPersons(), NEWEST, 50)
    (error,) = raised.value.extra["errors"]
    assert (raised.value.status, error.parameter, error.code) == (422, "identity", "too_many_ids")
    assert ids.statements == 1


class Households:
    """Persons `p0`, `p1` … with SIZE aliases each: `p0-0`, `p0-1` …"""

    SIZE = 10

    def persons_of(self, ids, deadline):
        return {one: one.partition("-")[0] for one in ids if "-" in one}

    def aliases_of(self, persons, most, deadline):
        found = [(f"{person}-{n}", person) for person in sorted(persons) if person[0] == "p" for n in range(self.SIZE)]
        return found[:most]


@pytest.mark.parametrize("most_joined", [22, 25, 46, 1000])
def test_a_page_ends_early_where_persons_have_many_ids(
    postgres, shared_database, store, minutes, monkeypatch, most_joined
):
    """And the pages together are the whole list. Each person's own id was never sent. Two persons are on a page at least: the one
    whose other ids go on after the page before, and the next."""
    monkeypatch.setattr(recently_active, "MAX_JOINED", most_joined)
    store({"user_id": f"p{n // 10}-{n % 10}", "timestamp": minutes(-n)} for n in range(80))
    store({"user_id": f"alone{n}", "timestamp": minutes(-(10 * n) - 0.5)} for n in range(8))
    with psycopg.connect(postgres.url(shared_database, "query")) as connection, connection.transaction():
        connection.execute(QUERIES["begin"])
        found, after, sizes, is_cut = [], NEWEST, [], True
        while is_cut:
            users, is_cut = list_active_persons(ActiveIds(connection, None, Deadline(600)), Households(), after, 50)
            found += [(user.user_id, user.events) for user in users]
            after = users[-1].position
            sizes.append(len(users))
    assert found == [one for n in range(8) for one in ((f"p{n}", 10), (f"alone{n}", 1))]
    assert (len(sizes) == 1) == (most_joined == 1000)
