"""The process for checks that may take long. The collector starts it, and kills it if a check takes too long.

It reads requests from its standard input and writes a result for each. Both are JSON after their length, four bytes. The
first result has no request: it says that the process is ready. The process exits at the end of its input.
"""

import math
import os
import resource
import signal
import struct
import sys
import time
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec

from event_tracker.core.json_numbers import decode_json, read_float
from event_tracker.model.schema_checks import Check, Violation

LENGTH = struct.Struct("!I")

NICENESS = 5
"""Reading and storing events have priority."""

MEMORY_BYTES = 512 * 1024 * 1024
"""Of address space. Beside the process itself, schemas take `event_tracker.collector.tracking_plan.slow_checks.MAX_BYTES`."""

PROCESSOR_SECONDS = 5
"""For one check. The collector kills this process much earlier, unless the collector itself has died."""

LIMITS = {
    resource.RLIMIT_AS: MEMORY_BYTES,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 0,
    resource.RLIMIT_NPROC: 0,
}
"""Limits of the process while it checks: bounded memory, and no new files, sockets or processes."""

WARM_UP = {
    "properties": {"a": {"format": "date-time", "pattern": "^a$", "uniqueItems": True, "maximum": 1, "multipleOf": 0.1}}
}


class CheckRequest(msgspec.Struct, array_like=True):
    """Asks how properties violate a schema.

    Attributes:
        number: identifies the schema.
        schema: the schema, if this process doesn't have it.
        properties: as JSON.
        forgotten: numbers of schemas to drop. If one is needed again, it is sent again.
    """

    number: int
    schema: dict[str, Any] | None
    properties: msgspec.Raw
    forgotten: list[int] = []


class CheckResult(msgspec.Struct, array_like=True):
    """The violations.

    Attributes:
        seconds: processor time of the check.
    """

    seconds: float
    found: list[Violation] = []


read_result = msgspec.json.Decoder(CheckResult).decode
read_request = msgspec.json.Decoder(CheckRequest, float_hook=read_float).decode
write = msgspec.json.Encoder().encode


def main() -> None:
    """Check until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the collector stops this process itself
    os.nice(NICENESS)
    _limit()
    checks: dict[int, Check] = {}
    requests, results = sys.stdin.buffer, sys.stdout.buffer
    _send(results, CheckResult(0.0))
    while head := requests.read(LENGTH.size):
        began = time.process_time()
        _set_limit(resource.RLIMIT_CPU, math.ceil(began) + PROCESSOR_SECONDS, resource.RLIM_INFINITY)
        request = read_request(requests.read(*LENGTH.unpack(head)))
        for number in request.forgotten:
            checks.pop(number, None)
        if request.schema is not None:
            checks[request.number] = Check(0, request.schema)
        found = checks[request.number].find(decode_json(request.properties))
        _send(results, CheckResult(time.process_time() - began, found))


def _limit() -> None:
    """Set the limits, after everything that checks may import is loaded."""
    for value in ("a", [1, 1], 2**70, 1.5):
        Check(0, WARM_UP).find({"a": value})
    for which, most in LIMITS.items():
        _set_limit(which, most, most)


def _set_limit(which: int, soft: int, hard: int) -> None:
    with suppress(ValueError, OSError):  # macOS has some of them only, and a lower one may be set already
        resource.setrlimit(which, (soft, hard))


def framed(message: Any) -> bytes:
    """Encode a message: its length, and JSON."""
    content = write(message)
    return LENGTH.pack(len(content)) + content


def _send(results: BinaryIO, result: CheckResult) -> None:
    results.write(framed(result))
    results.flush()


if __name__ == "__main__":
    main()
