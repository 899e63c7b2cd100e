"""Reads the access logs of AWS's Application Load Balancer.

https 2026-10-01T12:00:00.186641Z app/web/50dc6c495c0c9188 192.0.2.9:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57
"GET https://www.example.com:443/a?b=c HTTP/1.1" "curl/8.7.1" CIPHER TLSv1.3 TARGET_GROUP "Root=1-…" "www.example.com" …
"""

import re

from event_tracker.cli.ingest.logs.parsers.addresses import parse_host, without_port
from event_tracker.cli.ingest.logs.parsers.combined import QUOTED
from event_tracker.cli.ingest.logs.parsers.fields import (
    LineError,
    parse_float,
    parse_whole_number,
    text_or_none,
    unescape,
)
from event_tracker.cli.ingest.logs.parsers.log_parser import LogParser
from event_tracker.cli.ingest.logs.parsers.request_line import split_request_line
from event_tracker.cli.ingest.logs.parsers.times import parse_time
from event_tracker.cli.ingest.logs.request import Request

INVALID = "Isn't a line of a load balancer's access log."
LINE = re.compile(
    r"(?:https?|h2|grpcs|wss?) (\d{4}-\d\d-\d\dT[\d:.]{8,15}Z) \S+ (\S+) \S+ "
    r"(-?[\d.]+) (-?[\d.]+) (-?[\d.]+) (\d{3}|-) (?:\d{3}|-) \S+ (\d+|-) "
    rf"{QUOTED}(?: {QUOTED})?",
    re.ASCII,
)
SERVER_NAME = re.compile(rf" \S+ \S+ \S+ {QUOTED} {QUOTED}")


class LoadBalancerParser(LogParser):
    """Reads lines. The load balancer logs no X-Forwarded-For, so trusted proxies change nothing."""

    def __call__(self, line: bytes) -> Request:
        text = line.decode(errors="backslashreplace")
        found = LINE.match(text)
        if found is None:
            raise LineError(INVALID)
        time, client, *seconds, status, sent, request_line, user_agent = found.groups()
        request = split_request_line(unescape(request_line))
        names = SERVER_NAME.match(text, found.end())
        return Request(
            time=parse_time(time),
            address=_client(client),
            method=request.method,
            # Without a target, "GET http://www.example.com:80- HTTP/1.1" is what it writes.
            path=request.path,
            query=request.query,
            host=request.host or (parse_host(names[2]) if names else None),
            status=parse_whole_number(status),
            bytes=parse_whole_number(sent),
            seconds=_total(seconds),
            user_agent=text_or_none(unescape(user_agent)) if user_agent else None,
            malformed=request.malformed,
        )


def _client(text: str) -> str | None:
    """The address. A port is always there, and IPv6 may have no brackets."""
    address, _, port = text.rpartition(":")
    return without_port(address if address and port.isdigit() else text) if text != "-" else None


def _total(seconds: list[str]) -> float | None:
    """The sum of the three times; None if one is -1: the request had no answer."""
    times = [parse_float(text) for text in seconds]
    return None if None in times else round(sum(time or 0 for time in times), 6)
