"""The examples of docs/lake.md, events for them, and what the API says of these."""

import json
import re
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests
from stored import DAY, Stored

PAGE = Path(__file__).parents[2] / "docs" / "lake.md"

RANGE = {"from": "2026-02-23", "to": "2026-04-06"}
"""Six weeks, which have all events."""


def example(title: str) -> str:
    """The code below a heading."""
    found = re.search(rf"^### {title}\n.*?```python\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def run_example(title: str, lake: Path, **given: Any) -> dict[str, Any]:
    """The variables that an example has made."""
    made = {"lake": str(lake), **given}
    exec(compile(example(title), f"{PAGE.name}, {title}", "exec"), made)
    return made


def store_examples(stored: Stored, owner: psycopg.Connection) -> None:
    """Users of many weeks, with sessions with an id and without, and persons with several ids."""
    for day in range(0, 30, 2):
        stored.add(12, day=day)
        stored.add(4, day=day, user_id=f"user-{day % 7}", source="shop")
    for number in range(3):
        stored.add(5, hour=9, user_id=f"anonymous-{number}", properties=json.dumps({"page": "/"}))
    # In the middle of the weeks, since some begin as persons that have been here before.
    owner.execute(
        "update events set session_id = 'visit' where user_id in ('user-1', 'user-2') and source = 'shop' and timestamp < %s",
        [DAY + timedelta(days=1)],
    )
    for alias, person in (("anonymous-0", "user-1"), ("anonymous-1", "anonymous-2"), ("anonymous-2", "user-2")):
        owner.execute(
            "insert into links (source, alias, person, at, event_id) values ('default', %s, %s, %s, %s)",
            [alias, person, DAY, uuid.uuid4()],
        )


def ask_retention(url: str) -> list[tuple[date, int, int]]:
    """The first day of a cohort's week, weeks after it, and users, but for those of nobody."""
    answer = _ask(url, "retention", period="week")
    return [
        (datetime.fromisoformat(cohort["start"]).astimezone(UTC).date(), after, users)
        for cohort in answer["cohorts"]
        for after, users in enumerate(cohort["retained"])
        if users
    ]


def ask_sessions(url: str) -> int:
    """How many sessions there are."""
    return int(_ask(url, "sessions")["sessions"])


def ask_days(url: str) -> list[tuple[date, int, int]]:
    """Each day with events, with its events and users."""
    answers = [_ask(url, "timeseries", interval="day", metric=metric) for metric in ("events", "users")]
    columns = [answer["series"][0]["values"] for answer in answers]
    days = [datetime.fromisoformat(point).date() for point in answers[0]["points"]]
    return [row for row in zip(days, *columns, strict=True) if row[1]]


def _ask(url: str, question: str, **given: str) -> dict[str, Any]:
    answer = requests.get(f"{url}/stats/{question}", params={**RANGE, **given}, timeout=60)
    assert answer.ok, answer.text
    return answer.json()  # type: ignore[no-any-return]
