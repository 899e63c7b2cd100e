"""Runs a checked statement, and writes its rows within the limits."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Protocol

import duckdb
import msgspec

from event_tracker.query.sql.sandbox import statements
from event_tracker.query.sql.sandbox.check import Checked
from event_tracker.query.sql.sandbox.messages import Column, Question, RefusalError, Result, refuse
from event_tracker.query.sql.sandbox.problems import clean_error
from event_tracker.query.sql.sandbox.values import encode, make_readers, select_value

BATCH_ROWS = 500
Answer = tuple[Result, bytes]


def answer(connection: duckdb.DuckDBPyConnection, checked: Checked, question: Question) -> Answer:
    """Run the statement and write what it answers.

    Raises:
        RefusalError: if it fails.
    """
    before = ""
    try:
        if checked.explain:
            if question.format == "arrow":
                raise refuse("EXPLAIN is answered as JSON or CSV.")
            statements.explain(connection, checked.explain, checked.text)
            return _write([Column("part", "VARCHAR"), Column("plan", "VARCHAR")], _batches(connection), question)
        before = statements.DESCRIBE
        described = statements.describe(connection, checked.text)
        kinds = [str(kind) for _, kind, *_ in described]
        names = [f"c{place}" for place in range(len(described))]
        columns = [Column(str(name), kind.strip('"')) for (name, *_), kind in zip(described, kinds, strict=True)]
        values = names if question.format == "arrow" else list(map(select_value, names, kinds))
        before = statements.head_of(values)
        statements.select(connection, values, checked.text, names, question.limit + 1)
        if question.format == "arrow":
            return _write_arrow(connection, columns, question)
        return _write(columns, _batches(connection), question)
    except duckdb.Error as error:
        raise RefusalError(clean_error(error, checked.text, len(before.encode()))) from None


def _batches(connection: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    while rows := connection.fetchmany(BATCH_ROWS):
        yield rows


class Writer(Protocol):
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


WRITERS: dict[str, Callable[[list[Column]], Writer]] = {"json": JsonWriter, "csv": CsvWriter}


def _write(columns: list[Column], batches: Iterable[list[tuple[Any, ...]]], question: Question) -> Answer:
    writer = WRITERS[question.format](columns)
    readers = make_readers(columns)
    body = bytearray(writer.head)
    rows = 0
    truncated = False
    for row in chain.from_iterable(batches):
        written = writer.row([None if value is None else read(value) for read, value in zip(readers, row, strict=True)])
        truncated = rows >= question.limit or len(body) + len(written) > question.most_bytes
        if truncated:
            break
        body += writer.separator if rows else b""
        body += written
        rows += 1
    body += writer.tail
    return Result(columns, rows, truncated, len(body)), bytes(body)


def _write_arrow(connection: duckdb.DuckDBPyConnection, columns: list[Column], question: Question) -> Answer:
    import pyarrow as pa  # 50 MB that only this format needs

    reader: Any = connection.to_arrow_reader(BATCH_ROWS)
    unique = _unique([column.name for column in columns])
    sink = io.BytesIO()
    rows = 0
    truncated = False
    schema = pa.schema([field.with_name(name) for field, name in zip(reader.schema, unique, strict=True)])
    with pa.ipc.new_stream(sink, schema) as stream:
        for batch in reader:
            kept = batch.slice(0, question.limit - rows)
            while kept.num_rows and sink.tell() + kept.nbytes > question.most_bytes:
                kept = kept.slice(0, kept.num_rows // 2)
            truncated = kept.num_rows < batch.num_rows
            stream.write_batch(pa.RecordBatch.from_arrays(kept.columns, schema=schema))
            rows += kept.num_rows
            if truncated:
                break
    return Result(columns, rows, truncated, sink.tell()), sink.getvalue()


def _unique(names: list[str]) -> list[str]:
    taken: dict[str, int] = {}
    unique = []
    for name in names:
        number = taken[name] = taken.get(name, -1) + 1
        unique.append(f"{name}_{number}" if number else name)
    return unique
