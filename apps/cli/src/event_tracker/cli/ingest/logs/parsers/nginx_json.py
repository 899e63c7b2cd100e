"""Reads nginx's access log as JSON lines. Its `log_format` chooses the names: nginx's variables, or others that are usual."""

from typing import Any

from event_tracker.cli.ingest.logs.parsers.addresses import client_address, parse_host
from event_tracker.cli.ingest.logs.parsers.fields import LineError, parse_float, parse_whole_number, text_or_none
from event_tracker.cli.ingest.logs.parsers.json_lines import read_object
from event_tracker.cli.ingest.logs.parsers.log_parser import LogParser
from event_tracker.cli.ingest.logs.parsers.request_line import RequestLine, split_request_line, split_target
from event_tracker.cli.ingest.logs.parsers.times import parse_clf_time, parse_epoch, parse_time
from event_tracker.cli.ingest.logs.request import Request

INVALID = "Isn't a line of nginx's JSON log: it lacks a time, a request or a status, by names that are known."

NAMES = {
    "time": ("time_iso8601", "time_local", "msec", "@timestamp", "timestamp", "time", "ts"),
    "address": ("remote_addr", "remote_ip", "client_ip", "client", "clientip", "ip"),
    "forwarded": ("http_x_forwarded_for", "x_forwarded_for", "xff"),
    "request": ("request",),
    "method": ("request_method", "method", "verb"),
    "target": ("request_uri", "uri", "url", "path"),
    "query": ("args", "query_string", "query"),
    "host": ("host", "http_host", "server_name", "vhost", "domain"),
    "status": ("status", "response", "code"),
    "bytes": ("body_bytes_sent", "bytes_sent", "bytes", "size"),
    "seconds": ("request_time", "duration"),
    "content_type": ("sent_http_content_type", "content_type"),
    "referrer": ("http_referer", "http_referrer", "referer", "referrer"),
    "user_agent": ("http_user_agent", "user_agent", "agent"),
    "user": ("remote_user", "user"),
    "request_id": ("request_id",),
}
"""For each part of a request the names that it may have in the log. The first that is there counts."""


class NginxParser(LogParser):
    """Reads lines."""

    def __call__(self, line: bytes) -> Request:
        row = read_object(line)
        found = {part: _first(row, names) for part, names in NAMES.items()}
        status, time = parse_whole_number(found["status"]), found["time"]
        request = _request_line(found)
        if request is None or status is None or time is None:
            raise LineError(INVALID)
        return Request(
            time=_time(time),
            address=client_address(found["address"], found["forwarded"], self.trusted_hops),
            method=request.method,
            path=request.path,
            query=request.query,
            host=parse_host(found["host"]) or request.host,
            status=status,
            bytes=parse_whole_number(found["bytes"]),
            seconds=parse_float(found["seconds"]),
            content_type=found["content_type"],
            referrer=found["referrer"],
            user_agent=found["user_agent"],
            user=found["user"],
            request_id=found["request_id"],
            malformed=request.malformed,
        )


def _first(row: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((text for name in names if (text := text_or_none(row.get(name))) is not None), None)


def _request_line(found: dict[str, str | None]) -> RequestLine | None:
    if found["request"] is not None:
        return split_request_line(found["request"])
    method, target = found["method"], found["target"]
    if method is None or target is None:
        return None
    request = split_target(method, target)
    # `$uri` has no query; `$args` is the query.
    return (
        request._replace(query=request.query or found["query"])
        if request
        else RequestLine(malformed=f"{method} {target}")
    )


def _time(text: str) -> Any:
    if "/" in text:
        return parse_clf_time(text)
    return parse_epoch(text) if text.replace(".", "", 1).isdigit() else parse_time(text)
