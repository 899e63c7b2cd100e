"""Reads the access logs of IIS in W3C's format: words separated by spaces, named by the line `#Fields`, which may change in the file."""

import re

from event_tracker.cli.ingest.logs.parsers.addresses import client_address, parse_host
from event_tracker.cli.ingest.logs.parsers.fields import LineError, parse_float, parse_whole_number, text_or_none
from event_tracker.cli.ingest.logs.parsers.log_parser import LogParser
from event_tracker.cli.ingest.logs.parsers.times import parse_time
from event_tracker.cli.ingest.logs.request import Request

SINGLE_PLUS = re.compile(r"(?<!\+)\+(?!\+)")
REQUIRED = ("date", "time", "cs-method", "cs-uri-stem", "sc-status")


def is_fields_line(line: bytes) -> bool:
    """Whether it is the line that names the fields, and they are those of IIS."""
    return line.startswith(b"#Fields:") and b" cs-uri-stem" in line and b"x-edge-" not in line


class IISParser(LogParser):
    """Reads lines. It keeps the names of the last `#Fields` line. Times are UTC, which is IIS's default."""

    def __init__(self, trusted_hops: int = 0) -> None:
        super().__init__(trusted_hops)
        self._names: list[str] = []

    def __call__(self, line: bytes) -> Request | None:
        """Read a line; None if it is a line of the header.

        Raises:
            LineError: if it isn't one of this format.
        """
        text = line.decode(errors="backslashreplace")
        if text.startswith("#"):
            if text.startswith("#Fields:"):
                self._names = text[8:].lower().split()
            return None
        return self._request(self._cells(text))

    def _cells(self, text: str) -> dict[str, str]:
        if not self._names:
            raise LineError("Stands before the line #Fields, which names the columns.")
        words = text.split(" ")
        if len(words) != len(self._names):
            raise LineError(f"Has {len(words)} words where #Fields names {len(self._names)}.")
        cells = dict(zip(self._names, words, strict=True))
        if missing := [name for name in REQUIRED if text_or_none(cells.get(name)) is None]:
            raise LineError(f"Isn't a line of IIS's log that can be used: it lacks {', '.join(missing)}.")
        if not cells["cs-uri-stem"].startswith(("/", "*")):
            raise LineError("Isn't a line of IIS's log that can be used: cs-uri-stem is no path.")
        return cells

    def _request(self, cells: dict[str, str]) -> Request:
        get = cells.get
        referrer, user_agent, milliseconds = (
            text_or_none(get("cs(referer)")),
            text_or_none(get("cs(user-agent)")),
            parse_float(get("time-taken")),
        )
        return Request(
            time=parse_time(f"{cells['date']}T{cells['time']}+00:00"),
            address=client_address(
                text_or_none(get("c-ip")),
                text_or_none((get("x-forwarded-for") or "").replace("+", "")),
                self.trusted_hops,
            ),
            method=cells["cs-method"],
            # It writes a space as a plus sign; of two in a row (`/c++/`) neither was one.
            path=SINGLE_PLUS.sub("%20", cells["cs-uri-stem"]) if cells["cs-uri-stem"].startswith("/") else None,
            query=text_or_none(get("cs-uri-query")),
            host=parse_host(get("cs-host")) or parse_host(get("cs(host)")),
            status=parse_whole_number(cells["sc-status"]),
            bytes=parse_whole_number(get("sc-bytes")),
            seconds=None if milliseconds is None else milliseconds / 1000,
            referrer=referrer,
            # Of two plus signs the first was a space: "(compatible;+Googlebot/2.1;++http://www.google.com/bot.html)".
            user_agent=user_agent.replace("+", " ").replace("  ", " +") if user_agent else None,
            user=text_or_none(get("cs-username")),
        )
