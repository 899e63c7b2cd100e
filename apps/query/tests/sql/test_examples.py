"""The examples of docs/sql.md, each on the same few events."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from event_tracker.query.sql.views import list_view_columns

PAGE = (Path(__file__).parents[4] / "docs" / "sql.md").read_text()
EXAMPLES = dict(re.findall(r"^### ([^\n]+)\n\n```sql\n(.+?)```", PAGE, re.MULTILINE | re.DOTALL))

SEARCH = "https://search.example/"
SPRING = {"utm_source": "newsletter", "utm_campaign": "spring"}

EVENTS = [
    ("ann", "2026-03-02 10:00", "page_view", {"page": "/home", "referrer": SEARCH}),
    ("ann", "2026-03-02 10:05", "page_view", {"page": "/pricing", "referrer": SEARCH}),
    ("ann", "2026-03-02 10:06", "sign_up", {"plan": "pro"}),
    ("ann", "2026-03-02 10:20", "purchase", {"price": 20}),
    ("bob", "2026-03-02 10:30", "page_view", {"page": "/home", **SPRING}),
    ("ann", "2026-03-03 09:00", "page_view", {"page": "/home"}),
    ("ann", "2026-03-03 09:10", "purchase", {"price": 30.5}),
    ("cid", "2026-03-03 23:50", "page_view", {"page": "/pricing", "referrer": SEARCH}),
    ("bob", "2026-03-10 12:00", "page_view", {"page": "/docs"}),
    ("bob", "2026-03-10 12:01", "page_view", {"page": "/pricing"}),
    ("bob", "2026-03-10 12:02", "sign_up", {"plan": "free"}),
]

ANSWERS = {
    "Page views and visitors by day": [["2026-03-02", 3, 2], ["2026-03-03", 2, 2], ["2026-03-10", 2, 1]],
    "Top pages": [["/home", 3, 2], ["/pricing", 3, 3], ["/docs", 1, 1]],
    "Landing pages": [["/home", 3, 0.33], ["/docs", 1, 0.0], ["/pricing", 1, 1.0]],
    "Exit pages": [["/pricing", 3], ["/home", 2]],
    "Where visits come from": [["direct", 2], ["search.example", 2], ["newsletter", 1]],
    "Campaigns, and who signs up": [["spring", 1, 1]],
    "Sessions by day": [
        ["2026-03-02", 2, 0.5, 600.0, 1.5],
        ["2026-03-03", 2, 0.5, 300.0, 1.0],
        ["2026-03-10", 1, 0.0, 120.0, 2.0],
    ],
    "Hours of the day": [[9, 2], [10, 5], [12, 3], [23, 1]],
    "Percentiles of visits": [[600.0, 1080.0, 1200.0]],
    "A funnel by hand": [[1, 3], [2, 1], [3, 1]],
    "Retention by week, by hand": [["2026-03-02", 0, 3], ["2026-03-02", 1, 1]],
    "New and returning users by day": [["2026-03-02", 2, 0], ["2026-03-03", 1, 1], ["2026-03-10", 0, 1]],
    "Revenue by day, and so far": [["2026-03-02", 20.0, 20.0], ["2026-03-03", 30.5, 50.5]],
    "Values of a property": [["free", 1], ["pro", 1]],
    "Which page comes next": [
        ["/docs", "/pricing", 1],
        ["/home", "/docs", 1],
        ["/home", "/pricing", 1],
        ["/pricing", "/home", 1],
    ],
    "The most active users": [["ann", 6, 2], ["bob", 4, 2], ["cid", 1, 1]],
    "Days without events, too": [["2026-03-01", 0], ["2026-03-02", 5], ["2026-03-03", 3], ["2026-03-04", 0]],
}


def test_every_example_is_tested():
    assert EXAMPLES.keys() == ANSWERS.keys()
    assert len(EXAMPLES) >= 15


def test_every_column_is_described():
    missing = [
        f"{view}.{name}" for view, columns in list_view_columns().items() for name in columns if f"`{name}`" not in PAGE
    ]
    assert missing == []


@pytest.mark.parametrize("name", ANSWERS)
def test_example(store, rows, name):
    store(
        {
            "user_id": user,
            "timestamp": datetime.fromisoformat(moment).replace(tzinfo=UTC),
            "event_type": event_type,
            "properties": properties,
        }
        for user, moment, event_type, properties in EVENTS
    )
    assert rows(EXAMPLES[name]) == ANSWERS[name]
