"""Reads Traefik's access log in its format `json`. Headers are in it only where Traefik is told to keep them."""

from event_tracker.cli.ingest.logs.parsers.fields import (
    LineError,
    client_address,
    parse_host,
    parse_time,
    present,
    split_target,
    whole,
)
from event_tracker.cli.ingest.logs.parsers.json_lines import read_object
from event_tracker.cli.ingest.logs.request import Request

INVALID = "Isn't a line of Traefik's JSON log: it lacks RequestMethod, RequestPath, DownstreamStatus or StartUTC."


class TraefikParser:
    """Reads lines.

    Args:
        trusted_hops: how many of a request's addresses, counted from the right, are of trusted proxies.
    """

    def __init__(self, trusted_hops: int = 0) -> None:
        self.trusted_hops = trusted_hops

    def __call__(self, line: bytes) -> Request:
        """Read a line.

        Raises:
            LineError: if it isn't one of this format.
        """
        row = read_object(line)
        # Older versions wrote names of headers as they came.
        headers = {name.lower(): value for name, value in row.items() if name.startswith(("request_", "downstream_"))}
        method, uri = present(row.get("RequestMethod")), present(row.get("RequestPath"))
        status, time = whole(row.get("DownstreamStatus")), present(row.get("StartUTC")) or present(row.get("time"))
        target = split_target(method, uri) if method and uri else None
        if target is None or status is None or time is None:
            raise LineError(INVALID)
        nanoseconds = whole(row.get("Duration"))
        return Request(
            time=parse_time(time),
            address=client_address(
                present(row.get("ClientAddr")) or present(row.get("ClientHost")),
                present(headers.get("request_x-forwarded-for")),
                self.trusted_hops,
            ),
            method=method,
            path=target.path,
            query=target.query,
            host=parse_host(row.get("RequestHost")) or parse_host(row.get("RequestAddr")),
            status=status,
            bytes=whole(row.get("DownstreamContentSize")),
            seconds=None if nanoseconds is None else nanoseconds / 1e9,
            content_type=present(headers.get("downstream_content-type")),
            referrer=present(headers.get("request_referer")),
            user_agent=present(headers.get("request_user-agent")),
            user=present(row.get("ClientUsername")),
        )
