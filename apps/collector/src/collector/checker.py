"""The process that holds events to schemas where that may take long. The collector starts it, and ends it where it takes too long.

It reads questions from its standard input and writes an answer to each; both are JSON behind their length, four bytes. The
first answer, to no question, says that it is there. It ends with its input.
"""

import os
import signal
import struct
import sys
import time
from typing import Any, BinaryIO

import msgspec

from core.numbers import read_float
from manage.checks import Check, Violation

LENGTH = struct.Struct("!I")

NICENESS = 5
"""So that reading and storing events go first."""


class Question(msgspec.Struct, array_like=True):
    """Whether properties are as a schema says.

    Attributes:
        number: which schema.
        schema: itself, if this process hasn't had it.
        properties: as JSON.
    """

    number: int
    schema: dict[str, Any] | None
    properties: msgspec.Raw


class Answer(msgspec.Struct, array_like=True):
    """What is wrong.

    Attributes:
        seconds: how long that took, of the processor's time.
    """

    seconds: float
    found: list[Violation] = []


read_answer = msgspec.json.Decoder(Answer).decode
read_question = msgspec.json.Decoder(Question).decode
read_properties = msgspec.json.Decoder(float_hook=read_float).decode
write = msgspec.json.Encoder().encode


def main() -> None:
    """Answer until there is no question any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the collector ends this process
    os.nice(NICENESS)
    checks: dict[int, Check] = {}
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    _send(answers, Answer(0.0))
    while head := questions.read(LENGTH.size):
        question = read_question(questions.read(*LENGTH.unpack(head)))
        began = time.process_time()
        if question.schema is not None:
            checks[question.number] = Check(0, question.schema)
        found = checks[question.number].find(read_properties(question.properties))
        _send(answers, Answer(time.process_time() - began, found))


def framed(message: Any) -> bytes:
    """A message as it is sent."""
    content = write(message)
    return LENGTH.pack(len(content)) + content


def _send(answers: BinaryIO, answer: Answer) -> None:
    answers.write(framed(answer))
    answers.flush()


if __name__ == "__main__":
    main()
