"""Reads Traefik's access log in its format `json`. Headers are in it only where Traefik is told to keep them."""

from event_tracker.cli.ingest.logs.parsers.addresses import client_address, parse_host
from event_tracker.cli.ingest.logs.parsers.fields import LineError, parse_whole_number, text_or_none
from event_tracker.cli.ingest.logs.parsers.json_lines import read_object
from event_tracker.cli.ingest.logs.parsers.log_parser import LogParser
from event_tracker.cli.ingest.logs.parsers.request_line import split_target
from event_tracker.cli.ingest.logs.parsers.times import parse_time
from event_tracker.cli.ingest.logs.request import Request

INVALID = "Isn't a line of Traefik's JSON log: it lacks RequestMethod, RequestPath, DownstreamStatus or StartUTC."


class TraefikParser(LogParser):
    """Reads lines."""

    def __call__(self, line: bytes) -> Request:
        row = read_object(line)
        # Older versions wrote names of headers as they came.
        headers = {name.lower(): value for name, value in row.items() if name.startswith(("request_", "downstream_"))}
        method, uri = text_or_none(row.get("RequestMethod")), text_or_none(row.get("RequestPath"))
        status, time = (
            parse_whole_number(row.get("DownstreamStatus")),
            text_or_none(row.get("StartUTC")) or text_or_none(row.get("time")),
        )
        target = split_target(method, uri) if method and uri else None
        if target is None or status is None or time is None:
            raise LineError(INVALID)
        nanoseconds = parse_whole_number(row.get("Duration"))
        return Request(
            time=parse_time(time),
            address=client_address(
                text_or_none(row.get("ClientAddr")) or text_or_none(row.get("ClientHost")),
                text_or_none(headers.get("request_x-forwarded-for")),
                self.trusted_hops,
            ),
            method=method,
            path=target.path,
            query=target.query,
            host=parse_host(row.get("RequestHost")) or parse_host(row.get("RequestAddr")),
            status=status,
            bytes=parse_whole_number(row.get("DownstreamContentSize")),
            seconds=None if nanoseconds is None else nanoseconds / 1e9,
            content_type=text_or_none(headers.get("downstream_content-type")),
            referrer=text_or_none(headers.get("request_referer")),
            user_agent=text_or_none(headers.get("request_user-agent")),
            user=text_or_none(row.get("ClientUsername")),
        )
