"""What the service and the process tell each other: JSON, one message a line. The last one is followed by the body of the answer."""

from typing import Literal

import msgspec

Format = Literal["json", "csv", "arrow"]
Code = Literal["invalid_sql", "not_allowed", "failed", "too_large"]


class StatementRequest(msgspec.Struct):
    """The first message: the statement, and the limits that it runs within.

    Attributes:
        views: name → the columns that it has.
        limit: the most rows of the answer.
        most_bytes: the most bytes of its body.
        memory: the most bytes that DuckDB may take.
        seconds: the most seconds of processor time.
        zone: the IANA time zone of days.
    """

    statement: str
    views: dict[str, list[str]]
    limit: int
    most_bytes: int
    format: Format
    memory: int
    threads: int
    seconds: float
    zone: str


class Needs(msgspec.Struct, tag=True):
    """What the statement reads: columns by view. `properties` are those of the events; None is all."""

    views: dict[str, list[str]]
    properties: list[str] | None


class Refusal(msgspec.Struct, tag=True):
    """Why the statement isn't run, or failed; where it is (from 1), if it is known."""

    code: Code
    detail: str
    line: int | None = None
    column: int | None = None


class Data(msgspec.Struct):
    """The file with what the statement reads. None: it reads nothing."""

    path: str | None


class Column(msgspec.Struct):
    """A column of the answer, with DuckDB's type."""

    name: str
    type: str


class Result(msgspec.Struct, tag=True):
    """The answer. So many bytes follow."""

    columns: list[Column]
    rows: int
    truncated: bool
    length: int


class RefusalError(Exception):
    """Carries a refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def refuse(detail: str, location: tuple[int | None, int | None] = (None, None)) -> RefusalError:
    """The error for a statement that may not be run."""
    return RefusalError(Refusal("not_allowed", detail, *location))
