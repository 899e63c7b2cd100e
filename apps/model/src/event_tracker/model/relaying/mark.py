"""The mark up to which a relay may read, and what holds it."""

from datetime import datetime
from typing import NamedTuple


class Mark(NamedTuple):
    """What `relay_mark` (infra/migrations/0031-relays.sql) answers.

    Attributes:
        latest: where the mark would be if no transaction held it: a second before the server's time.
        mark: all events that were received before this can be seen by the next statement. None: nothing may be read now.
        holder_pid: the process of the transaction that holds the mark; None if none does, or if it is a prepared one.
        holder_role: its role; None if no transaction holds the mark.
        holder_since: when it began; None if it is a prepared one.
    """

    latest: datetime
    mark: datetime | None
    holder_pid: int | None
    holder_role: str | None
    holder_since: datetime | None
