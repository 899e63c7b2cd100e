"""Reads a line of a web server's access log as a request. Apache and nginx write the combined format by default."""

import re
from datetime import datetime

from event_tracker.cli.ingest.logs.request import Request

LINE = re.compile(
    r"(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<day>\d\d)/(?P<month>\w{3})/(?P<year>\d{4}):(?P<time>[\d:]{8}) (?P<offset>[+-]\d{4})\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+|-)'
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<user_agent>(?:[^"\\]|\\.)*)".*)?'
)
REQUEST = re.compile(r"(?P<method>[A-Z]+) (?P<path>[^ ?]*)\??(?P<query>\S*)(?: HTTP/[\d.]+)?")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse(line: bytes) -> Request | None:
    """Read a log line. Returns None if it isn't one. Missing fields (`-`) are None."""
    # Servers escape all characters that aren't ASCII, so other bytes are an error in the log. They are kept readable.
    found = LINE.fullmatch(line.decode(errors="backslashreplace"))
    if found is None or (time := _time(found)) is None:
        return None
    request = REQUEST.fullmatch(found["request"])
    return Request(
        time,
        found["host"],
        method=request["method"] if request else None,
        path=request["path"] if request else None,
        query=(request["query"] or None) if request else None,
        status=int(found["status"]),
        bytes=None if found["bytes"] == "-" else int(found["bytes"]),
        referrer=_text(found["referrer"]),
        user_agent=_text(found["user_agent"]),
        user=_text(found["user"]),
        malformed=None if request else found["request"],
    )


def _text(value: str | None) -> str | None:
    return None if value in (None, "", "-") else value


def _time(found: "re.Match[str]") -> datetime | None:
    """The request's time. strptime would be slow, and expect the names of months in the machine's language.

    Python has no leap seconds, so a second 60 is second 59.
    """
    offset = found["offset"]
    try:
        month = MONTHS.index(found["month"]) + 1
        time = found["time"]
        clock = f"{time[:6]}59" if time.endswith(":60") else time
        return datetime.fromisoformat(f"{found['year']}-{month:02}-{found['day']}T{clock}{offset[:3]}:{offset[3:]}")
    except ValueError:
        return None
