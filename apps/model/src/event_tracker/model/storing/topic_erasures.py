"""Which records of Kafka are of users who were erased since they were written: whoever stores records leaves these out.

By positions, not by clocks. After an erasure the end of each partition is read; a record before it was written before the erasure, or
in the moment between. So a record is left out whether it waited, or is read a second time. While brokers don't tell the ends, all
records of the erased are left out: what has been read lies before whatever they will tell.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import psycopg

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.model.storing", "topic_erasures.sql")

NONE = 0
"""Less than every erasure's id."""


class TopicEnds(NamedTuple):
    """Where a topic ends.

    Attributes:
        topic_id: Kafka's; a topic that is made again, or is in another cluster, has another one.
        ends: of each partition, the offset of the record that will be written next.
    """

    topic_id: str
    ends: list[int]


class ErasuresChangedError(Exception):
    """Somebody was erased since the erasures were read: nothing was stored."""


class _Erased(NamedTuple):
    """An erasure of the users with one hash: its id, and of which sources (None is all)."""

    erasure: int
    sources: frozenset[str] | None


class _Ends(NamedTuple):
    """What was read of one topic: erasures, and where each partition ended after them, in the same order."""

    erasures: list[int]
    ends: list[list[int]]

    @property
    def newest(self) -> int:
        """The last erasure after which the ends were read."""
        return self.erasures[-1] if self.erasures else NONE

    def of_partition(self, partition: int) -> list[int]:
        """The partition's end after each erasure. None is greater than a later one: those were read after this erasure, too."""
        found = [ends[partition] if partition < len(ends) else 0 for ends in self.ends]
        for place in range(len(found) - 2, -1, -1):
            found[place] = min(found[place], found[place + 1])
        return found


class TopicErasures:
    """What the database knows of erased users. Use it in one thread.

    Args:
        read_ends: asks the brokers where a topic ends; None if they don't answer.
    """

    def __init__(self, read_ends: Callable[[str], TopicEnds | None]) -> None:
        self._read_ends = read_ends
        self._topic_ids: dict[str, str] = {}
        self._without_known_from: set[str] = set()
        self._newest = NONE
        self._erased: dict[bytes, dict[bytes, list[_Erased]]] = {}
        self._ends: dict[str, _Ends] = {}
        self._partitions: dict[tuple[str, int], list[int]] = {}

    def register(self, connection: psycopg.Connection, topic: str, topic_id: str, keep: timedelta | None) -> None:
        """Note that a topic is read into this database: from then on, erasures are noted for it.

        Args:
            keep: how long a record is in it at most; None if there is no bound.
        """
        given = {"topic": topic, "topic_id": topic_id, "keep": keep}
        with connection.transaction():
            _fetch(connection, "share_lock", {})  # an erasure that is under way wouldn't be noted
            ((is_new,),) = _fetch(connection, "register_topic", given)
        if is_new:
            self._without_known_from.add(topic)
        self.follow(connection, topic, topic_id)

    def follow(self, connection: psycopg.Connection, topic: str, topic_id: str) -> None:
        """Know about the records of a topic that a storer has registered."""
        if self._topic_ids.get(topic) != topic_id:
            self._ends.pop(topic, None)  # those of the topic that had the name before
        self._topic_ids[topic] = topic_id
        self.update(connection)

    def update(self, connection: psycopg.Connection) -> None:
        """Read the erasures, if there are others; ask the brokers for ends that are missing."""
        ((newest,),) = _fetch(connection, "newest_erasure", {})
        if (newest or NONE) != self._newest or self._ends.keys() != self._topic_ids.keys():
            self._load(connection)
        for topic in sorted(self._without_known_from):
            if found := self._find_ends(topic):
                _fetch(connection, "write_known_from", {"topic": topic, **found._asdict()})
                self._without_known_from.discard(topic)
        lacking = [topic for topic, ends in self._ends.items() if ends.newest < self._newest]
        for topic in lacking:
            if found := self._find_ends(topic):
                _fetch(connection, "write_ends", {"topic": topic, "erasure": self._newest, **found._asdict()})
        if lacking:
            self._load_ends(connection)

    def hold(self, connection: psycopg.Connection) -> None:
        """Keep erasures waiting until the caller's transaction ends. To be called before anything else in it.

        Raises:
            ErasuresChangedError: if there are others than were known. They are known now.
        """
        _fetch(connection, "share_lock", {})
        ((newest,),) = _fetch(connection, "newest_erasure", {})
        if (newest or NONE) != self._newest:
            self._load(connection)
            raise ErasuresChangedError

    def is_erased(self, topic: str, partition: int, offset: int, user_id: str, source: str) -> bool:
        """Whether the user of the record at this place was erased after it was written."""
        since = self._find_since(topic, partition, offset)
        if since >= self._newest:
            return False
        user = user_id.encode(errors="surrogatepass")
        return any(
            one.erasure > since and (one.sources is None or source in one.sources)
            for salt, users in self._erased.items()
            for one in users.get(sha256(salt + user).digest(), ())
        )

    def _find_since(self, topic: str, partition: int, offset: int) -> int:
        """The last erasure of which it is known that it was before the record."""
        if topic not in self._ends:
            return NONE
        place = (topic, partition)
        if place not in self._partitions:
            self._partitions[place] = self._ends[topic].of_partition(partition)
        number = bisect_right(self._partitions[place], offset)
        return self._ends[topic].erasures[number - 1] if number else NONE

    def _load(self, connection: psycopg.Connection) -> None:
        """Read the erasures. Their ends come last: what other storers have read by then is of use, too."""
        rows = _fetch(connection, "erasures", {})
        self._erased = {}
        for erasure, salt, user_hash, sources in rows:
            one = _Erased(erasure, None if sources is None else frozenset(sources))
            self._erased.setdefault(bytes(salt), {}).setdefault(bytes(user_hash), []).append(one)
        self._newest = rows[-1][0] if rows else NONE
        self._load_ends(connection)

    def _load_ends(self, connection: psycopg.Connection) -> None:
        for topic, topic_id in self._topic_ids.items():
            rows = _fetch(connection, "ends", {"topic": topic, "topic_id": topic_id})
            self._ends[topic] = _Ends([erasure for erasure, _ in rows], [ends for _, ends in rows])
        self._partitions.clear()

    def _find_ends(self, topic: str) -> TopicEnds | None:
        """The ends, unless the topic is another one by now: it is to be registered again then."""
        found = self._read_ends(topic)
        return found if found and found.topic_id == self._topic_ids[topic] else None


def read_known_from(connection: psycopg.Connection, topic: str, topic_id: str) -> Sequence[int] | None:
    """By partition, the offset from which on all erasures after a record are known; None if no storer has read the topic yet."""
    rows = _fetch(connection, "known_from", {"topic": topic, "topic_id": topic_id})
    return rows[0][0] if rows else None


def _fetch(connection: psycopg.Connection, name: str, given: dict[str, Any]) -> list[Any]:
    return connection.execute(QUERIES[name], given, binary=True).fetchall()
