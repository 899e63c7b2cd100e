"""Runs a checked statement, and writes its rows within the limits."""

import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import duckdb

from event_tracker.query.sql.sandbox import statements
from event_tracker.query.sql.sandbox.check import Checked
from event_tracker.query.sql.sandbox.messages import Column, RefusalError, Result, StatementRequest, refuse
from event_tracker.query.sql.sandbox.problems import clean_error
from event_tracker.query.sql.sandbox.values import make_readers, select_value
from event_tracker.query.sql.sandbox.writers import WRITERS

BATCH_ROWS = 500
Answer = tuple[Result, bytes]


def answer(connection: duckdb.DuckDBPyConnection, checked: Checked, request: StatementRequest) -> Answer:
    """Run the statement and write what it answers.

    Raises:
        RefusalError: if it fails.
    """
    before = ""
    try:
        if checked.explain:
            if request.format == "arrow":
                raise refuse("EXPLAIN is answered as JSON or CSV.")
            statements.explain(connection, checked.explain, checked.text)
            return _write([Column("part", "VARCHAR"), Column("plan", "VARCHAR")], _batches(connection), request)
        before = statements.DESCRIBE
        described = statements.describe(connection, checked.text)
        kinds = [str(kind) for _, kind, *_ in described]
        names = [f"c{place}" for place in range(len(described))]
        columns = [Column(str(name), kind.strip('"')) for (name, *_), kind in zip(described, kinds, strict=True)]
        values = names if request.format == "arrow" else list(map(select_value, names, kinds))
        before = statements.head_of(values)
        statements.select(connection, values, checked.text, names, request.limit + 1)
        if request.format == "arrow":
            return _write_arrow(connection, columns, request)
        return _write(columns, _batches(connection), request)
    except duckdb.Error as error:
        raise RefusalError(clean_error(error, checked.text, len(before.encode()))) from None


def _batches(connection: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    while rows := connection.fetchmany(BATCH_ROWS):
        yield rows


def _write(columns: list[Column], batches: Iterable[list[tuple[Any, ...]]], request: StatementRequest) -> Answer:
    writer = WRITERS[request.format](columns)
    readers = make_readers(columns)
    body = bytearray(writer.head)
    rows = 0
    truncated = False
    for row in chain.from_iterable(batches):
        written = writer.row([None if value is None else read(value) for read, value in zip(readers, row, strict=True)])
        truncated = rows >= request.limit or len(body) + len(written) > request.most_bytes
        if truncated:
            break
        body += writer.separator if rows else b""
        body += written
        rows += 1
    body += writer.tail
    return Result(columns, rows, truncated, len(body)), bytes(body)


def _write_arrow(connection: duckdb.DuckDBPyConnection, columns: list[Column], request: StatementRequest) -> Answer:
    import pyarrow as pa  # 50 MB that only this format needs

    reader: Any = connection.to_arrow_reader(BATCH_ROWS)
    sink = io.BytesIO()
    rows = 0
    truncated = False
    schema = pa.schema([field.with_name(column.name) for field, column in zip(reader.schema, columns, strict=True)])
    with pa.ipc.new_stream(sink, schema) as stream:
        for batch in reader:
            kept = batch.slice(0, request.limit - rows)
            while kept.num_rows and sink.tell() + kept.nbytes > request.most_bytes:
                kept = kept.slice(0, kept.num_rows // 2)
            truncated = kept.num_rows < batch.num_rows
            stream.write_batch(pa.RecordBatch.from_arrays(kept.columns, schema=schema))
            rows += kept.num_rows
            if truncated:
                break
    return Result(columns, rows, truncated, sink.tell()), sink.getvalue()
