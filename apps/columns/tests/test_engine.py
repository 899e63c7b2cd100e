"""The engine answers from blocks and rows what PostgreSQL would from its table."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
from servers import Postgres

from event_tracker.columns.engine import Engine, Selection
from event_tracker.core.postgres.pool import open_pool

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)

INSERT = """
insert into events (user_id, "timestamp", event_id, event_type, session_id, properties)
values ('ann', '2026-03-02 10:00:00.000001+00', gen_random_uuid(), 'view, "x"', null, '{"n": 12345678901234567890.10, "t": ""}')
"""


def test_values_are_exact(postgres: Postgres, database: str, owner: psycopg.Connection, tmp_path: Path) -> None:
    owner.execute(INSERT)
    with open_pool(postgres.url(database, "query"), name="query", size=1, timeout=5, options={}) as pool:
        engine = Engine(pool, tmp_path / "cache")
        selection = Selection(start=START, end=END, sources=None)
        statement = (
            "select user_id, timestamp, event_type, session_id, properties ->> $key, properties ->> 't' from events"
        )
        result = engine.run(selection, statement, {"key": "n"})
    timestamp = datetime(2026, 3, 2, 10, 0, 0, 1, tzinfo=UTC)
    # The empty text isn't null.
    assert result.rows == [("ann", timestamp, 'view, "x"', None, "12345678901234567890.10", "")]
