"""Files of events, and a collector to which `tracker send` sends them."""

import json
from pathlib import Path
from typing import Any

import psycopg
from click.testing import CliRunner, Result

from event_tracker.cli.ingest.send import send

VISITOR_SECRET = "the secret of tests, 32 characters"
"""The key of the ids of visitors, for `tracker send` of logs."""

NOON = "2026-03-01T12:00:00Z"


class Store:
    """A collector, and what is in its database."""

    def __init__(self, url: str, owner: psycopg.Connection) -> None:
        self.url, self.owner = url, owner

    def send(self, *arguments: object) -> Result:
        environment = {"VISITOR_SECRET": VISITOR_SECRET}
        return CliRunner().invoke(send, [*map(str, arguments), "--collector", self.url], env=environment)

    def rows(self, columns: str = "user_id, event_type") -> list[Any]:
        return self.owner.execute(f'select {columns} from events order by user_id, "timestamp", event_id').fetchall()

    @property
    def stored(self) -> int:
        """How many events are stored; checks that as many are counted."""
        ((events, counted),) = self.owner.execute(
            "select (select count(*) from events), (select coalesce(sum(count), 0) from event_counts)"
        ).fetchall()
        assert events == counted
        return int(events)


def ndjson(path: Path, *events: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def views(number: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"user_id": f"user-{n % 7}", "event_type": "view", "timestamp": NOON, "properties": {"n": n}, **more}
        for n in range(number)
    ]


def rejected(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"{file}.rejected.ndjson").read_text().splitlines()]
