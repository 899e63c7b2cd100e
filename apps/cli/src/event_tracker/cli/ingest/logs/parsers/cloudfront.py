"""Reads the access logs of Amazon CloudFront: legacy ones (W3C, with tabs), and v2 as W3C, JSON lines or Parquet.

The names of the fields are those of the line `#Fields`, whatever their number and order; JSON and Parquet name them too.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from event_tracker.cli.ingest.logs.parsers.addresses import client_address, parse_host
from event_tracker.cli.ingest.logs.parsers.fields import (
    LineError,
    cache_short,
    parse_float,
    parse_whole_number,
    text_or_none,
)
from event_tracker.cli.ingest.logs.parsers.json_lines import read_object
from event_tracker.cli.ingest.logs.parsers.log_parser import LogParser
from event_tracker.cli.ingest.logs.parsers.times import parse_epoch, parse_time
from event_tracker.cli.ingest.logs.request import Request

PERCENT_TWICE = re.compile("%25(?=[0-9A-Fa-f]{2})")


@cache_short
def field_name(name: str) -> str:
    """One name for a field: `cs(User-Agent)` of W3C and JSON and `cs_user_agent` of Parquet are `cs-user-agent`."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def is_fields_line(line: bytes) -> bool:
    """Whether it is the line that names the fields, and they are CloudFront's."""
    return line.startswith(b"#Fields:") and b"x-edge-" in line.replace(b"_", b"-")


class CloudFrontParser(LogParser):
    """Reads lines. It keeps the names of the last `#Fields` line.

    Args:
        trusted_hops: how many of a request's addresses, counted from the right, are of trusted proxies in front of CloudFront.
    """

    def __init__(self, trusted_hops: int = 0) -> None:
        super().__init__(trusted_hops)
        self._names: list[str] = []
        self._encodes_twice: bool | None = None

    def __call__(self, line: bytes) -> Request | None:
        """Read a line; None if it is a line of the header.

        Raises:
            LineError: if it isn't one of this format.
        """
        if line.startswith(b"{"):
            return self.read_row(read_object(line))
        text = line.decode(errors="backslashreplace")
        if text.startswith("#"):
            if text.startswith("#Fields:"):
                self._names = [field_name(name) for name in text[8:].split()]
                self._encodes_twice = None
            return None
        if not self._names:
            raise LineError("Stands before the line #Fields, which names the columns.")
        # There may be a tab too many at the end, or cells that no name belongs to; in old files there are too few.
        return self._request(dict(zip(self._names, text.split("\t"), strict=False)).get)

    def read_row(self, row: dict[str, Any]) -> Request:
        """Read a row of JSON or Parquet.

        Raises:
            LineError: if it isn't one of this format.
        """
        return self._request({field_name(name): value for name, value in row.items()}.get)

    def _request(self, get: Callable[[str], Any]) -> Request:
        method, path, status = (
            text_or_none(get("cs-method")),
            text_or_none(get("cs-uri-stem")),
            parse_whole_number(get("sc-status")),
        )
        if method is None or path is None or not path.startswith("/") or status is None:
            raise LineError("Isn't a line of CloudFront's access log: it lacks cs-method, cs-uri-stem or sc-status.")
        query, referrer, content_type = (
            text_or_none(get("cs-uri-query")),
            text_or_none(get("cs-referer")),
            text_or_none(get("sc-content-type")),
        )
        raw_agent = text_or_none(get("cs-user-agent"))
        user_agent, looks_encoded_twice = decode_user_agent(raw_agent) if raw_agent else (None, None)
        if self._is_encoded_twice(looks_encoded_twice):
            path = PERCENT_TWICE.sub("%", path)
            query = PERCENT_TWICE.sub("%", query) if query else None
            referrer = PERCENT_TWICE.sub("%", referrer) if referrer else None
        forwarded = text_or_none(get("x-forwarded-for")) if self.trusted_hops else None
        country = text_or_none(get("c-country"))
        return Request(
            time=_time(get),
            address=client_address(
                text_or_none(get("c-ip")), unquote(forwarded) if forwarded else None, self.trusted_hops
            ),
            method=method,
            path=path,
            query=query,
            host=parse_host(get("x-host-header")) or _own_host(get),
            status=status,
            bytes=parse_whole_number(get("sc-bytes")),
            seconds=parse_float(get("time-taken")),
            content_type=unquote(content_type) if content_type else None,
            referrer=unquote(referrer) if referrer and "%3A" in referrer[:12].upper() else referrer,
            user_agent=user_agent,
            request_id=text_or_none(get("x-edge-request-id")),
            country=country.upper() if country else None,
            edge_location=text_or_none(get("x-edge-location")),
            edge_result=text_or_none(get("x-edge-result-type")),
        )

    def _is_encoded_twice(self, looks_so: bool | None) -> bool:
        """Whether this line is encoded twice. Lines of one file are alike, so one whose user agent doesn't tell is as those before it.

        An app whose name has a space sends `My%20App/1` itself: that looks encoded twice, but not beside lines that can't be.
        """
        if looks_so is False or (looks_so and self._encodes_twice is None):
            self._encodes_twice = looks_so
        return bool(self._encodes_twice)


@cache_short
def decode_user_agent(raw: str) -> tuple[str, bool | None]:
    """Decode a user agent, and tell whether it looks encoded twice; None if it has nothing that is encoded.

    From 2013 to 2019 CloudFront wrote a space as `%2520`, and encoded the other fields of the line twice too. A user agent tells which
    it is: if it was encoded twice, no space is left after decoding once.
    """
    once = unquote(raw)
    if " " in once:
        return once, False
    if "%20" in once or "%25" in once:
        return unquote(once), True
    return once, None


def _time(get: Callable[[str], Any]) -> Any:
    date, time = get("date"), get("time")
    if date is not None and time is not None:
        return parse_time(f"{date}T{time}+00:00")
    milliseconds = parse_float(get("timestamp-ms"))
    if milliseconds is None:
        raise LineError("Isn't a line of CloudFront's access log: it lacks date and time.")
    return parse_epoch(str(milliseconds / 1000))


def _own_host(get: Callable[[str], Any]) -> str | None:
    """The host where there is no x-host-header. The distribution's name isn't the site's."""
    host = parse_host(get("cs-host"))
    return host if host and not host.endswith(".cloudfront.net") else None
