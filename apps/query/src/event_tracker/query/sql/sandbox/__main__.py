"""The process: reads a request, says which columns its statement needs, gets them, answers, and ends. It runs one statement."""

import sys
from typing import Any, TypeVar

import duckdb
import msgspec

from event_tracker.query.sql.sandbox import statements
from event_tracker.query.sql.sandbox.answers import answer
from event_tracker.query.sql.sandbox.check import check
from event_tracker.query.sql.sandbox.limits import confine, harden_process
from event_tracker.query.sql.sandbox.messages import Data, Refusal, RefusalError, StatementRequest
from event_tracker.query.sql.sandbox.problems import TOO_LARGE

Message = TypeVar("Message")

CONFIG: dict[str, Any] = {
    "threads": 1,
    # Nothing is spilled: the process can't write.
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # Otherwise a table's name may be that of a variable of this program.
    "python_enable_replacements": False,
    "errors_as_json": True,
}


def main() -> None:
    """Run one statement."""
    harden_process()
    connection = duckdb.connect(":memory:", config=CONFIG)
    request = _receive(StatementRequest)
    if request is None:
        return
    try:
        _run(connection, request)
    except RefusalError as error:
        _send(error.refusal)
    except MemoryError:
        _send(Refusal("too_large", TOO_LARGE))


def _run(connection: duckdb.DuckDBPyConnection, request: StatementRequest) -> None:
    connection.execute("set memory_limit = $most", {"most": f"{request.memory}B"})
    connection.execute("set threads = $threads", {"threads": request.threads})
    connection.execute("set TimeZone = $zone", {"zone": request.zone})
    checked = check(connection, request.statement, request.views)
    if request.format == "arrow":
        import pyarrow.ipc  # noqa: F401  # later, no file can be opened
    _send(checked.needs)
    data = _receive(Data)
    if data is None:
        return
    _open(connection, data)
    confine(request.memory, request.seconds * request.threads)
    result, body = answer(connection, checked, request)
    _send(result)
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()


def _open(connection: duckdb.DuckDBPyConnection, data: Data) -> None:
    """Open the file, and then nothing more: DuckDB is told so, and what it is told can't be changed again."""
    if data.path is not None:
        statements.attach(connection, data.path)
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _receive(kind: type[Message]) -> Message | None:
    """The next message; None if the service has gone."""
    line = sys.stdin.buffer.readline()
    return msgspec.json.decode(line, type=kind) if line else None


def _send(message: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
