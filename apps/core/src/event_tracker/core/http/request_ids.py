"""Request ids: X-Request-ID as sent, or made here; they go into the answer, the log and every problem."""

import random
import re

SAFE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""Ids go into logs and a header: an id with characters that are unsafe there is replaced."""


def request_id(sent: str) -> str:
    """The id that was sent, if it is safe, or a new one."""
    return sent if SAFE.fullmatch(sent) else new_request_id()


def new_request_id() -> str:
    """16 hexadecimal digits. They tell requests apart and guard nothing."""
    return f"{random.getrandbits(64):016x}"
