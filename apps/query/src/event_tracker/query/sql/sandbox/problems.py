"""Turns DuckDB's errors into what is wrong and where, without anything of ours in it."""

import re

import duckdb
import msgspec

from event_tracker.query.sql.sandbox.messages import Code, Refusal

MAX_CHARACTERS = 1000

TOO_LARGE = (
    "The statement needs more memory than SQL_MEMORY_BYTES gives it. Read fewer columns or rows, or aggregate earlier."
)

PATH = re.compile(r"(/[\w.+~-]+){2,}")
"""A file's path, as an error may name it."""

FAILED = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
    duckdb.ConstraintException,
)


def clean_error(error: duckdb.Error, statement: str, offset: int = 0) -> Refusal:
    """What an error says of a statement. DuckDB has it as JSON (`errors_as_json`).

    Args:
        offset: bytes before the statement in what DuckDB was given.
    """
    if isinstance(error, duckdb.OutOfMemoryException):
        return Refusal("too_large", TOO_LARGE)
    _, _, document = str(error).partition(": ")
    try:
        said = msgspec.json.decode(document)
        detail, position = str(said["exception_message"]), said.get("position")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        detail, position = str(error), None
    line, column = _locate(statement, int(position) - offset) if position and str(position).isdigit() else (None, None)
    code: Code = "failed" if isinstance(error, FAILED) else "invalid_sql"
    return Refusal(code, _shorten(PATH.sub("…", detail)), line, column)


def _locate(statement: str, position: int) -> tuple[int | None, int | None]:
    """The line and column, from 1, of a position in bytes."""
    encoded = statement.encode()
    if not 0 <= position <= len(encoded):
        return None, None
    before = encoded[:position].decode(errors="replace")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
