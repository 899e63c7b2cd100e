"""Runs a service and writes, for each connection, which of our files its requests ran: `python traced_files.py SERVICE OUTPUT`.

A line of the output is a JSON array: the path of each request, and an array of files in the order in which they were first entered.
SQL files are those whose statements were sent. What runs all the time (background loops, the worker's own loop) isn't recorded.
"""

import json
import runpy
import sys
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from event_tracker.core.server import gevent_patch, http1  # isort: skip  # gevent_patch comes first
import greenlet
import psycopg

assert gevent_patch

APPS = Path(__file__).parents[2] / "apps"
NOT_OF_A_REQUEST = ("core/background.py", "core/server/run.py", "core/server/worker.py", "__main__.py")
STATEMENTS = {file: file.read_text() for file in APPS.glob("*/src/**/*.sql")}
BEGINNING = 200
"""Characters by which a statement is found: parts may be inserted further on."""

entered: dict[str, None] = {}
"""The files since the connection began; a dict keeps their order."""


@cache
def name_of(file: str | Path) -> str | None:
    """A file of ours as the documentation writes it, such as `core/http/middleware.py`; None for all others."""
    path = Path(file)
    if not path.is_relative_to(APPS) or "src" not in path.parts:
        return None
    return path.as_posix().partition("/src/event_tracker/")[2]


def find_root() -> str:
    """The outermost of our files on the stack: what the current greenlet was started for."""
    root, frame = "", sys._getframe(2)
    while frame:
        root = name_of(frame.f_code.co_filename) or root
        frame = frame.f_back  # type: ignore[assignment]
    return root


def enter(frame: FrameType, event: str, _: Any) -> None:
    """Record the start of a function; for `sys.setprofile`."""
    if event == "call":
        name = name_of(frame.f_code.co_filename)
        if name and name not in entered and not find_root().endswith(NOT_OF_A_REQUEST):
            entered[name] = None


def record_statements(cls: type, method: str) -> None:
    """Record the file of each statement that a method sends."""
    send = getattr(cls, method)

    def recorded(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        beginning = text[:BEGINNING]
        for file, statements in STATEMENTS.items():
            if beginning in statements and not find_root().endswith(NOT_OF_A_REQUEST):
                entered[name_of(file) or ""] = None
        return send(self, query, *args, **options)

    setattr(cls, method, recorded)


def record_connections(output: Path) -> None:
    """Write what was entered at the end of each connection."""
    worker: Any = http1.Http1Worker
    handle, handle_request = worker.handle, worker.handle_request
    paths: list[str] = []

    def record(self: Any, *args: Any) -> None:
        entered.clear()
        paths.clear()
        # Each greenlet has a profile function of its own, so it is set at each switch.
        greenlet.settrace(lambda *_: sys.setprofile(enter))
        sys.setprofile(enter)
        handle(self, *args)
        with output.open("a") as lines:
            lines.write(json.dumps([*paths, list(entered)]) + "\n")

    def record_path(self: Any, listener_name: Any, req: Any, *args: Any) -> None:
        paths.append(req.path)
        handle_request(self, listener_name, req, *args)

    worker.handle, worker.handle_request = record, record_path


def main(service: str, output: str) -> None:
    """Run the service until SIGTERM."""
    record_statements(psycopg.Connection, "execute")
    record_statements(psycopg.Cursor, "stream")
    record_connections(Path(output))
    runpy.run_module(f"event_tracker.{service}", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
