"""Events, counted as the collector counts them, and blocks of them."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from event_tracker.columns.engine import Selection
from event_tracker.columns.layout import LAYOUT
from event_tracker.columns.parquet import write_parquet
from event_tracker.columns.rows import copy_statement

DAY = datetime(2026, 3, 1, tzinfo=UTC)
EVERYTHING = Selection(start=DAY, end=DAY + timedelta(days=31), sources=None)
BY_DAY = """
select date_trunc('day', timestamp), source, event_type, count(*), count(distinct user_id), min(properties ->> 'page')
from events
group by all
order by all
"""

INSERT = """
insert into events (user_id, "timestamp", event_id, event_type, session_id, source, properties)
values (%(user_id)s, %(timestamp)s, %(event_id)s, %(event_type)s, null, %(source)s, %(properties)s)
"""
COUNT = """
insert into event_counts as counts (hour, event_type, source, slot, count) values (%s, %s, %s, 0, %s)
on conflict (hour, event_type, source, slot) do update set count = counts.count + excluded.count
"""
SEEN = """
insert into users as known (user_id, first_seen, last_hour) values (%s, %s, %s)
on conflict (user_id) do update
set first_seen = least(known.first_seen, excluded.first_seen), last_hour = greatest(known.last_hour, excluded.last_hour)
"""
INSERT_BLOCK = """
insert into blocks (source, start, "end", counted, events, epoch, layout, keys, parquet)
values (
  %(source)s, %(start)s, %(end)s,
  (select sum(count) from event_counts where source = %(source)s and hour >= %(start)s and hour < %(end)s), %(events)s,
  coalesce((select epoch from block_epochs where source = %(source)s and day = date_bin('1 day', %(start)s, timestamptz '2000-01-01 00:00+00')), 0),
  %(layout)s, %(keys)s, %(parquet)s
)
returning id::text
"""


class Stored:
    """The database of a test."""

    def __init__(self, owner: psycopg.Connection, folder: Path) -> None:
        self.owner = owner
        self._folder = folder
        self._random = random.Random(7)

    def add(self, number: int = 1, **given: Any) -> None:
        """Store events, each at a random time of a day unless they are given `timestamp` or `hour`."""
        events = [self._event(**given) for _ in range(number)]
        counts = Counter((hour_of(event["timestamp"]), event["event_type"], event["source"]) for event in events)
        with self.owner.transaction(), self.owner.cursor() as cursor:
            cursor.executemany(INSERT, events)
            cursor.executemany(COUNT, [(*key, count) for key, count in counts.items()])
            cursor.executemany(SEEN, [(e["user_id"], e["timestamp"], hour_of(e["timestamp"])) for e in events])

    def _event(self, day: int = 0, hour: int | None = None, **given: Any) -> dict[str, Any]:
        hour = self._random.randrange(24) if hour is None else hour
        return {
            "user_id": f"user-{self._random.randrange(20)}",
            "timestamp": DAY + timedelta(days=day, hours=hour, microseconds=self._random.randrange(3_600_000_000)),
            "event_id": uuid.UUID(int=self._random.getrandbits(128)),
            "event_type": self._random.choice(["view", "buy"]),
            "source": "default",
            "properties": json.dumps({"page": f"/{self._random.randrange(5)}"}),
            **given,
        }

    def build(
        self, day: int = 0, source: str = "default", start: int = 0, end: int = 24, keys: Sequence[str] = ()
    ) -> str:
        """Build a block of a source's hours, with columns for some properties. Returns its id."""
        first, last = DAY + timedelta(days=day, hours=start), DAY + timedelta(days=day, hours=end)
        csv, parquet = self._folder / "block.csv", self._folder / "block.parquet"
        statement = copy_statement(first, last, psycopg.sql.SQL("source = {}").format(source))
        with csv.open("wb") as file, self.owner.cursor() as cursor, cursor.copy(statement) as copy:
            file.writelines(copy)
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            write_parquet(connection, csv, parquet, keys)
            ((events,),) = connection.execute(
                "select count(*) from read_parquet($path)", {"path": str(parquet)}
            ).fetchall()
        given = {
            "source": source,
            "start": first,
            "end": last,
            "events": events,
            "keys": list(keys),
            "layout": LAYOUT,
            "parquet": parquet.read_bytes(),
        }
        ((number,),) = self.owner.execute(INSERT_BLOCK, given).fetchall()
        return str(number)

    def rows(self, statement: str = BY_DAY, selection: Selection = EVERYTHING) -> list[Any]:
        """What PostgreSQL says to a statement that both understand."""
        chosen = 'select * from public.events where "timestamp" >= %(start)s and "timestamp" < %(end)s and (%(sources)s::text[] is null or source = any (%(sources)s))'
        sources = None if selection.sources is None else list(selection.sources)
        given = {"start": selection.start, "end": selection.end, "sources": sources}
        statement = statement.replace("group by all", "group by 1, 2, 3").replace("order by all", "order by 1, 2, 3")
        return self.owner.execute(f"with events as ({chosen}) {statement}", given).fetchall()


def hour_of(time: datetime) -> datetime:
    """The hour of a time."""
    return time.replace(minute=0, second=0, microsecond=0)
