"""Splits the first line of an HTTP request."""

import re
from typing import NamedTuple

from event_tracker.cli.ingest.logs.parsers.addresses import parse_host

METHOD = re.compile(r"[A-Z][A-Z0-9_-]*")


class RequestLine(NamedTuple):
    """The first line of an HTTP request, split; or only `malformed`, if it isn't one."""

    method: str | None = None
    path: str | None = None
    query: str | None = None
    host: str | None = None
    malformed: str | None = None


def split_request_line(line: str) -> RequestLine:
    """Split `GET /a?b=c HTTP/1.1`. The path may have spaces: servers log it as it was sent."""
    method, _, target = line.partition(" ")
    before, _, version = target.rpartition(" ")
    if version.startswith("HTTP/"):
        target = before
    if not METHOD.fullmatch(method) or not target:
        return RequestLine(malformed=line)
    return split_target(method, target) or RequestLine(malformed=line)


def split_target(method: str, target: str) -> RequestLine | None:
    """Split a request's target: a path with a query, a URL (sent to proxies), `*` or an authority. None if it is none of these."""
    host = None
    if target[0] != "/":
        scheme, separator, rest = target.partition("://")
        if not separator or not scheme.isalpha():
            return RequestLine(method) if target == "*" or method == "CONNECT" else None
        end = min(position for position in (rest.find("/"), rest.find("?"), len(rest)) if position >= 0)
        host, target = parse_host(rest[:end].rpartition("@")[2]), rest[end:]
        target = target if target.startswith("/") else "/" + target
    path, _, query = target.partition("?")
    return RequestLine(method, path, query or None, host)
