"""Small pages of users share a statement. If it takes too long, each page is read alone."""

import psycopg
import pytest

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.postgres.pool import open_pool
from event_tracker.query.events.event_pages import Position
from event_tracker.query.events.parameters import EventQuery
from event_tracker.query.events.store import SESSION_SETTINGS, EventStore
from event_tracker.query.parameter_types import EARLIEST, LATEST


@pytest.fixture
def pages(postgres, database):
    """The store of a query service that waits for no lock."""
    options = {"statement_timeout": "100ms", **SESSION_SETTINGS}
    pool = open_pool(postgres.url(database, "query"), name="test", size=2, timeout=60, options=options, watched=False)
    pages = EventStore(pool, ConcurrencyLimit())
    yield pages
    pages.close()
    pool.close()


def page_of(user_id):
    return EventQuery(user_id, (), None, (), None, None, EARLIEST, LATEST, 10, Position.before(LATEST), b"")


def test_pages_that_take_too_long_together_are_asked_for_alone(pages, owner):
    asked = [page_of("ann"), page_of("bob")]
    with psycopg.connect(owner.info.dsn) as holder:
        holder.execute("lock table events in access exclusive mode")
        assert pages._list_grouped(asked) == [None, None]
        with pytest.raises(psycopg.errors.QueryCanceled):  # which it was: who asks for it is told
            pages._list_grouped(asked[:1])
