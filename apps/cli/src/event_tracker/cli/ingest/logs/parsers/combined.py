"""Reads the access logs of Apache and nginx in the combined or the common format, also with a virtual host in front.

www.example.com:443 198.51.100.7 - ann [17/May/2015:10:05:03 +0200] "GET /a?b=c HTTP/1.1" 200 12 "http://x/" "Mozilla/5.0" "203.0.113.9"
"""

import re

from event_tracker.cli.ingest.logs.parsers.addresses import client_address, is_address, parse_host, without_port
from event_tracker.cli.ingest.logs.parsers.fields import LineError, parse_whole_number, text_or_none, unescape
from event_tracker.cli.ingest.logs.parsers.log_parser import LogParser
from event_tracker.cli.ingest.logs.parsers.request_line import split_request_line
from event_tracker.cli.ingest.logs.parsers.times import parse_clf_time
from event_tracker.cli.ingest.logs.request import Request

INVALID = "Isn't a line of a combined or common access log."
TIME = re.compile(r' \[([^]"]{20,30})\] "')
QUOTED = r'"((?:[^"\\]++|\\.)*+)"'
REQUEST = re.compile(rf"{QUOTED} (\d{{3}}|-) (\d+|-)(?: (?=\")|$)", re.ASCII)
REQUEST_WITH_QUOTES = re.compile(r'"(.*?)" (\d{3}|-) (\d{1,19}|-)(?: (?=")|$)', re.ASCII)
HEADERS = re.compile(rf"{QUOTED} {QUOTED}(?: {QUOTED})?(?= |$)")


class CombinedParser(LogParser):
    """Reads lines."""

    def __call__(self, line: bytes) -> Request:
        # Servers escape all characters that aren't ASCII, so other bytes are an error in the log. They are kept readable.
        text = line.decode(errors="backslashreplace")
        time = TIME.search(text)
        if time is None:
            raise LineError(INVALID)
        host, forwarded, connection, user = _split_names(text[: time.start()])
        # A server that doesn't escape writes quotes as they are sent.
        found = REQUEST.match(text, time.end() - 1) or REQUEST_WITH_QUOTES.match(text, time.end() - 1)
        if found is None:
            raise LineError(INVALID)
        referrer, user_agent, behind = _headers(text[found.end() :])
        request = split_request_line(unescape(found[1]))
        return Request(
            time=parse_clf_time(time[1]),
            address=client_address(connection, forwarded or behind, self.trusted_hops),
            method=request.method,
            path=request.path,
            query=request.query,
            host=host or request.host,
            status=parse_whole_number(found[2]),
            bytes=parse_whole_number(found[3]),
            referrer=referrer,
            user_agent=user_agent,
            user=user,
            malformed=request.malformed,
        )


def _split_names(text: str) -> tuple[str | None, str | None, str | None, str | None]:
    """The virtual host, the addresses of X-Forwarded-For, the address of the connection and the user: what stands before the time.

    The user's name may have spaces, and a virtual host may stand before the address. What stands behind the address is nearly
    always `-`, so that an address in its place means that the first word is a host.
    """
    words = text.split(" ")
    host = None
    if len(words) > 3 and words[1] != "-" and not words[0].endswith(",") and _is_host(*words[1:3]):
        host = parse_host(words.pop(0))
    addresses = 1
    while words[addresses - 1].endswith(",") and addresses < len(words):
        addresses += 1
    if len(words) < addresses + 2 or not words[0]:
        raise LineError(INVALID)
    user = text_or_none(unescape(" ".join(words[addresses + 1 :])))
    if addresses > 1 or "," in words[0]:
        return host, " ".join(words[:addresses]), None, user
    return host, None, words[0], user


def _is_host(second: str, third: str) -> bool:
    """Whether the first word is a virtual host: the second is an address, or the third is what stands behind one."""
    return third == "-" or is_address(without_port(second.partition(",")[0]))


def _headers(text: str) -> tuple[str | None, str | None, str | None]:
    """Referrer, user agent, and what stands in quotes behind them: X-Forwarded-For, if it has addresses.

    Raises:
        LineError: if there is something, but not these. The line broke off, for example.
    """
    if not text:
        return None, None, None
    found = HEADERS.match(text)
    if found is None:
        return *_headers_with_quotes(text), None
    return text_or_none(unescape(found[1])), text_or_none(unescape(found[2])), text_or_none(found[3])


def _headers_with_quotes(text: str) -> tuple[str | None, str | None]:
    """The same where quotes aren't escaped: the user agent ends with the last one."""
    middle, end = text.find('" "'), text.rfind('"')
    if not text.startswith('"') or not 0 < middle < end - 2:
        raise LineError(INVALID)
    return text_or_none(unescape(text[1:middle])), text_or_none(unescape(text[middle + 3 : end]))
