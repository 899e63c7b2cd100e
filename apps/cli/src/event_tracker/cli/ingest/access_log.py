"""Reads a line of a web server's access log as an event. Apache and nginx write the combined format by default."""

import re
from datetime import datetime
from typing import Any

LINE = re.compile(
    r"(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<day>\d\d)/(?P<month>\w{3})/(?P<year>\d{4}):(?P<time>[\d:]{8}) (?P<offset>[+-]\d{4})\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+|-)'
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<user_agent>(?:[^"\\]|\\.)*)".*)?'
)
REQUEST = re.compile(r"(?P<method>[A-Z]+) (?P<path>[^ ?]*)\??(?P<query>\S*)(?: HTTP/[\d.]+)?")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ASSET = re.compile(r"\.(?:avif|bmp|css|eot|gif|ico|jpe?g|js|map|mjs|otf|png|svg|ttf|webp|woff2?)$", re.IGNORECASE)


def parse(line: bytes) -> dict[str, Any] | None:
    """Read a log line as an event. Returns None if it isn't a log line.

    The visitor's address becomes the user. Missing fields (`-`) are left out.
    """
    # Servers escape all characters that aren't ASCII, so other bytes are an error in the log. They are kept readable.
    found = LINE.fullmatch(line.decode(errors="backslashreplace"))
    if found is None or (timestamp := _timestamp(found)) is None:
        return None
    status = int(found["status"])
    request = REQUEST.fullmatch(found["request"])
    parts = request.groupdict() if request else {"request": found["request"]}
    texts = {**parts, "user": found["user"], "referrer": found["referrer"], "user_agent": found["user_agent"]}
    properties: dict[str, Any] = {name: text for name, text in texts.items() if text not in (None, "", "-")}
    properties["status"] = status
    if found["bytes"] != "-":
        properties["bytes"] = int(found["bytes"])
    return {
        "user_id": found["host"],
        "event_type": event_type(properties.get("method"), properties.get("path", ""), status),
        "timestamp": timestamp,
        "properties": properties,
    }


def event_type(method: str | None, path: str, status: int) -> str:
    """The event type. 4xx and 5xx: `http_error`. GET: `asset` (image, style, script, font) or `page_view`. Else `http_post` etc."""
    if status >= 400 or method is None:
        return "http_error"
    if method != "GET":
        return f"http_{method.lower()}"
    return "asset" if ASSET.search(path) else "page_view"


def _timestamp(found: "re.Match[str]") -> str | None:
    """The request's time as RFC 3339. strptime would be slow, and expect the names of months in the machine's language.

    Python has no leap seconds, so a second 60 is passed on: the collector knows where one is possible.
    """
    offset = found["offset"]
    try:
        month = MONTHS.index(found["month"]) + 1
        text = f"{found['year']}-{month:02}-{found['day']}T{found['time']}{offset[:3]}:{offset[3:]}"
        datetime.fromisoformat(f"{text[:16]}:59{text[19:]}" if text[16:19] == ":60" else text)
    except ValueError:
        return None
    return text
