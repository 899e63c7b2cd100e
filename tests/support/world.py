"""A database with services on it, users with known events, and the contents of the tables about them."""

import uuid

import requests
from click.testing import CliRunner
from signing_key import make_signing_key

from event_tracker.cli.database.maintain import maintain
from event_tracker.core.secrets.keys import make_key

TABLES = {
    "events": 'user_id, "timestamp", event_id, event_type, session_id, source, properties',
    "event_counts": "hour, event_type, source, sum(count) group by 1, 2, 3",
    "users": "user_id, first_seen, last_hour",
}


def contents(owner):
    """The contents of all tables about events, without columns that depend on when or by which collector they were stored."""
    found = {}
    for table, what in TABLES.items():
        columns, _, grouping = what.partition(" group by")
        group = f"group by{grouping}" if grouping else ""
        rows = owner.execute(f"select {columns} from {table} {group}").fetchall()
        found[table] = sorted(map(repr, rows))
    return found


def an_event(user_id, at, number, **more):
    """Make an event. Its id depends only on user, time and number, so it is the same at each call."""
    event_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{user_id} {at} {number}")
    return {"user_id": user_id, "event_type": "view", "timestamp": at, "event_id": str(event_id), **more}


def life_of(user_id):
    """The events of a user on some days: sessions with and without id, some over midnight; types and values that other users
    share, and others that they don't."""
    events = []
    for day in (1, 2, 5):
        at = f"2026-03-0{day}T"
        events += [
            an_event(user_id, f"{at}10:00:00Z", 1, properties={"page": "/", "n": day, "none": None}),
            an_event(user_id, f"{at}10:10:00Z", 2, event_type="buy", properties={"page": "/cart", "own": user_id}),
            an_event(user_id, f"{at}15:00:00Z", 3, session_id=f"s-{user_id}", properties={"deep": {"a": [1]}}),
            an_event(user_id, f"{at}15:00:00Z", 4, session_id=f"s-{user_id}", event_type="buy"),
            an_event(user_id, f"{at}23:59:00Z", 5, properties={"page": "/"}),
        ]
    return events


class World:
    """A database with a collector and a query service, which accepts the tokens of admins."""

    def __init__(self, postgres, database, start_service, owner):
        self.postgres, self.database, self.owner = postgres, database, owner
        self.start_service = start_service
        self.collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"))
        self.query = self.start_query()

    def start_query(self, **settings):
        return self.start_service(
            "query",
            DATABASE_URL=self.postgres.url(self.database, "query"),
            CONTROL_DATABASE_URL=self.postgres.url(self.database, "control"),
            SIGNING_KEY=make_signing_key(),
            AUTH="required",
            **settings,
        )

    def send(self, events, write_key=None):
        headers = {"X-Write-Key": write_key} if write_key else {}
        answer = requests.post(f"{self.collector.url}/events", json=events, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def make_source(self, name):
        key = make_key("wk")
        self.owner.execute("insert into sources (name) values (%s)", [name])
        self.owner.execute(
            "insert into write_keys (prefix, source, hash) values (%s, %s, %s)", [key.prefix, name, key.hash]
        )
        return key.key

    def keep(self, source, days):
        """Set the number of days for which a source's events are kept; None leaves it to `tracker maintain --keep`."""
        self.owner.execute("update sources set keep = %s where name = %s", [days, source])

    def reject(self, user_id, source, payload=b"{}"):
        """Store a refused event."""
        self.owner.execute(
            """insert into rejections (id, source, received_at, reason, detail, event_type, user_id, payload, is_whole)
               values (gen_random_uuid(), %s, now(), 'wrong_type', '[{"pointer": "/n"}]', 'view', %s, %s, true)""",
            [source, user_id, payload],
        )

    def admin(self, *sources):
        key = make_key("rt")
        self.owner.execute(
            "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, 'x', %s, '{admin,read_events,read_stats}', %s)",
            [key.prefix, key.hash, list(sources) or None],
        )
        return {"Authorization": f"Bearer {key.key}"}

    def maintain(self, *arguments):
        """Run `tracker maintain`."""
        result = CliRunner().invoke(maintain, arguments, env={"DATABASE_URL": self.postgres.url(self.database)})
        assert result.exit_code == 0, result.output

    def erase(self, user_id, headers=None, service=None, **parameters):
        url = f"{(service or self.query).url}/users/{user_id}"
        return requests.delete(url, headers=headers or self.admin(), params=parameters, timeout=60)
