"""The times before which events are too old, and the rows of each partition that are."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple


class Limits(NamedTuple):
    """The times before which events are too old, as text in PostgreSQL's form.

    Attributes:
        own: the limits of sources that have their own.
        others: the limit of all other sources; None if they keep their events.
        others_monthly: the start of the month of `others`.
    """

    own: dict[str, str]
    others: str | None
    others_monthly: str | None

    def __str__(self) -> str:
        said = [f"events before {self.others}"] if self.others else []
        return ", ".join(said + [f"events of {source} before {limit}" for source, limit in self.own.items()])

    def is_old(self, source: str, day: datetime, *, monthly: bool) -> bool:
        """Whether all events of a source's day (UTC) are too old."""
        limit = self.own.get(source) or (self.others_monthly if monthly else self.others)
        return limit is not None and day + timedelta(days=1) <= datetime.fromisoformat(limit)

    def parameters(self, *, monthly: bool) -> dict[str, Any]:
        """The parameters of the statements. In a monthly partition, sources without their own limit lose whole months only."""
        others = self.others_monthly if monthly else self.others
        return {"own_sources": list(self.own), "own_limits": list(self.own.values()), "others": others}


class Part(NamedTuple):
    """The rows of one partition that are too old.

    Attributes:
        bytes: space freed on the disk if the partition is dropped, else space freed for new rows.
        days: the days of the rows, with the number of rows of each; None if the whole partition is dropped.
    """

    name: str
    rows: int
    bytes: int
    days: list[tuple[datetime, int]] | None


class Expired(NamedTuple):
    """All rows that are too old, by partition."""

    limits: Limits
    parts: list[Part]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)
