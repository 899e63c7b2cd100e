"""Reads Caddy's access log, which is JSON lines. What Caddy logs of itself in between is left out."""

from datetime import datetime
from typing import Any

from event_tracker.cli.ingest.logs.parsers.addresses import client_address, parse_host
from event_tracker.cli.ingest.logs.parsers.fields import LineError, parse_float, parse_whole_number, text_or_none
from event_tracker.cli.ingest.logs.parsers.json_lines import header, member, read_object
from event_tracker.cli.ingest.logs.parsers.log_parser import LogParser
from event_tracker.cli.ingest.logs.parsers.request_line import split_target
from event_tracker.cli.ingest.logs.parsers.times import parse_epoch, parse_time
from event_tracker.cli.ingest.logs.request import Request

INVALID = "Isn't a line of Caddy's JSON log: it lacks request, status or ts."
UNITS = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}


class CaddyParser(LogParser):
    """Reads lines.

    Args:
        trusted_hops: how many of a request's addresses, counted from the right, are of trusted proxies. Without it, Caddy's own
            `client_ip` is taken, which its setting `trusted_proxies` decides.
    """

    def __call__(self, line: bytes) -> Request | None:
        """Read a line; None if it isn't of a request, or tells once more that one failed.

        Raises:
            LineError: if it isn't one of this format.
        """
        row = read_object(line)
        logger = text_or_none(row.get("logger")) or "http.log.access"
        if not logger.startswith("http.log.access") and "level" in row:
            return None
        request = row.get("request")
        method, uri = text_or_none(member(request, "method")), text_or_none(member(request, "uri"))
        status, time = parse_whole_number(row.get("status")), text_or_none(row.get("ts"))
        target = split_target(method, uri) if method and uri else None
        if target is None or status is None or time is None:
            raise LineError(INVALID)
        headers = member(request, "headers")
        return Request(
            time=_time(time),
            address=self._address(request, headers),
            method=method,
            path=target.path,
            query=target.query,
            host=parse_host(member(request, "host")),
            status=status,
            bytes=parse_whole_number(row.get("size")),
            seconds=_seconds(row.get("duration")),
            content_type=header(row.get("resp_headers"), "Content-Type"),
            referrer=text_or_none(header(headers, "Referer")),
            user_agent=text_or_none(header(headers, "User-Agent")),
            user=text_or_none(row.get("user_id")),
        )

    def _address(self, request: Any, headers: Any) -> str | None:
        connection = text_or_none(member(request, "remote_ip")) or text_or_none(member(request, "remote_addr"))
        if self.trusted_hops == 0:
            connection = text_or_none(member(request, "client_ip")) or connection
        return client_address(connection, header(headers, "X-Forwarded-For"), self.trusted_hops)


def _time(text: str) -> datetime:
    """The time, in seconds or, with `time_format iso8601` or `rfc3339`, as text."""
    return parse_time(text) if "T" in text else parse_epoch(text)


def _seconds(value: Any) -> float | None:
    """The duration: a number of seconds, or with `duration_format string` a text such as `1.5ms`."""
    if not isinstance(value, str):
        return parse_float(value)
    number = value.rstrip("nµums")
    seconds, unit = parse_float(number), UNITS.get(value[len(number) :])
    return None if seconds is None or unit is None else seconds * unit
