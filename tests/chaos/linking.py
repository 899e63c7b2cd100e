"""Events that link ids while the chaos goes on, and whose events are at the end."""

import json
from collections import Counter
from datetime import datetime
from random import Random
from uuid import UUID

import psycopg
from definitions.reference.events import Event, of_sources
from definitions.reference.persons import Link, of_persons
from links import NAMES, links_of

from .report import Report

VISITORS = [f"visitor-{number}" for number in range(12)]
"""Ids from before somebody signs in. They and the users whom they turn out to be are never erased: that would erase all of a person's."""

LINKS = "select source, alias, person, at, event_id from links where removed_at is null"


def some_link(random: Random, users: list[str], source: str, timestamp: datetime) -> Event:
    """An event that links a visitor to a user, or to another visitor: to several at times, over several events, and in circles."""
    event_type = random.choice(list(NAMES))
    return Event(
        user_id=random.choice([*users, *VISITORS]),
        event_type=event_type,
        timestamp=timestamp,
        event_id=UUID(int=random.getrandbits(128)),
        properties={NAMES[event_type]: random.choice(VISITORS)},
        source=source,
    )


def find_links(rows: list[Event]) -> list[Link]:
    """The links of stored events, by the reference."""
    found = links_of({**vars(row), "properties": json.dumps(row.properties)} for row in rows if row.event_type in NAMES)
    return [Link(link.alias, link.person, link.at, link.event_id, link.source) for link in found]


def as_persons(events: list[Event], links: list[Link], sources: tuple[str, ...] | None) -> list[Event]:
    """The events of these sources (None is all), each as its person's."""
    return of_persons(of_sources(events, sources), links, sources)


def check_links(owner: psycopg.Connection, rows: list[Event], report: Report) -> None:
    """`links` has what the stored events link, each by its earliest event, whatever the order in which they arrived."""
    expected = Counter((link.source, link.alias, link.person, link.at, link.event_id) for link in find_links(rows))
    found = Counter(owner.execute(LINKS).fetchall())
    report.expect_same("links differ from the rows", expected, found)
    report.count("links", found.total())
