"""Write rows of values as bytes: JSON or CSV."""

import csv
import io
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from event_tracker.query.sql.sandbox.messages import Column
from event_tracker.query.sql.sandbox.values import encode


class RowWriter(Protocol):
    """Writes rows, which `separator` stands between."""

    head: bytes
    separator: bytes
    tail: bytes

    def row(self, values: list[Any]) -> bytes: ...


class JsonWriter:
    """An array of arrays."""

    head, separator, tail = b"[", b",", b"]"

    def __init__(self, _: list[Column]) -> None:
        pass

    def row(self, values: list[Any]) -> bytes:
        return encode(values)


class CsvWriter:
    """RFC 4180 with a header. Null is empty; values that aren't texts are written as in JSON."""

    separator = tail = b""

    def __init__(self, columns: list[Column]) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self.head = self._line([column.name for column in columns])

    def row(self, values: list[Any]) -> bytes:
        return self._line([value if isinstance(value, str) else _written(value) for value in values])

    def _line(self, values: Iterable[Any]) -> bytes:
        self._writer.writerow(values)
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()


def _written(value: Any) -> str:
    if value is None:
        return ""
    text = bytes(value).decode() if isinstance(value, msgspec.Raw) else encode(value).decode()
    return str(msgspec.json.decode(text)) if text.startswith('"') else text


WRITERS: dict[str, Callable[[list[Column]], RowWriter]] = {"json": JsonWriter, "csv": CsvWriter}
