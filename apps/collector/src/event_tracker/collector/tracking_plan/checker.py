"""The process that holds events to schemas where that may take long. The collector starts it, and ends it where it takes too long.

It reads questions from its standard input and writes an answer to each; both are JSON behind their length, four bytes. The
first answer, to no question, says that it is there. It ends with its input.
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
"""So that reading and storing events go first."""

MEMORY_BYTES = 512 * 1024 * 1024
"""Of address space. Beside what it begins with, schemas take `event_tracker.collector.tracking_plan.slow_checks.MOST_BYTES`."""

PROCESSOR_SECONDS = 5
"""Of one check. The collector ends this process long before, unless it is gone itself."""

LIMITS = {
    resource.RLIMIT_AS: MEMORY_BYTES,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 0,
    resource.RLIMIT_NPROC: 0,
}
"""What schemas and events are read with: no more memory, and no files, sockets or processes beside those that are there."""

WARM_UP = {
    "properties": {"a": {"format": "date-time", "pattern": "^a$", "uniqueItems": True, "maximum": 1, "multipleOf": 0.1}}
}


class Question(msgspec.Struct, array_like=True):
    """Whether properties are as a schema says.

    Attributes:
        number: which schema.
        schema: itself, if this process hasn't had it.
        properties: as JSON.
        forgotten: the numbers of schemas that aren't needed any more; if they are, they come anew.
    """

    number: int
    schema: dict[str, Any] | None
    properties: msgspec.Raw
    forgotten: list[int] = []


class Answer(msgspec.Struct, array_like=True):
    """What is wrong.

    Attributes:
        seconds: how long that took, of the processor's time.
    """

    seconds: float
    found: list[Violation] = []


read_answer = msgspec.json.Decoder(Answer).decode
read_question = msgspec.json.Decoder(Question, float_hook=read_float).decode
write = msgspec.json.Encoder().encode


def main() -> None:
    """Answer until there is no question any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the collector ends this process
    os.nice(NICENESS)
    _limit()
    checks: dict[int, Check] = {}
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    _send(answers, Answer(0.0))
    while head := questions.read(LENGTH.size):
        began = time.process_time()
        _set_limit(resource.RLIMIT_CPU, math.ceil(began) + PROCESSOR_SECONDS, resource.RLIM_INFINITY)
        question = read_question(questions.read(*LENGTH.unpack(head)))
        for number in question.forgotten:
            checks.pop(number, None)
        if question.schema is not None:
            checks[question.number] = Check(0, question.schema)
        found = checks[question.number].find(decode_json(question.properties))
        _send(answers, Answer(time.process_time() - began, found))


def _limit() -> None:
    """Give up what isn't needed, once everything that checks may import is there."""
    for value in ("a", [1, 1], 2**70, 1.5):
        Check(0, WARM_UP).find({"a": value})
    for which, most in LIMITS.items():
        _set_limit(which, most, most)


def _set_limit(which: int, soft: int, hard: int) -> None:
    with suppress(ValueError, OSError):  # macOS has some of them only, and a lower one may be set already
        resource.setrlimit(which, (soft, hard))


def framed(message: Any) -> bytes:
    """A message as it is sent."""
    content = write(message)
    return LENGTH.pack(len(content)) + content


def _send(answers: BinaryIO, answer: Answer) -> None:
    answers.write(framed(answer))
    answers.flush()


if __name__ == "__main__":
    main()
