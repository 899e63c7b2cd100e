"""Reads the server access logs of Amazon S3. Lines that aren't of a request by HTTP, such as those of expiry, are left out.

OWNER BUCKET [06/Feb/2026:00:00:38 +0000] 192.0.2.3 REQUESTER REQUEST_ID REST.GET.OBJECT KEY "GET /a HTTP/1.1" 200 - 2662992 3462992 70 10
"REFERRER" "USER AGENT" VERSION HOST_ID SigV4 CIPHER AuthHeader www.example.com TLSv1.3 …
"""

import re

from event_tracker.cli.ingest.logs.parsers.addresses import parse_host, without_port
from event_tracker.cli.ingest.logs.parsers.fields import LineError, parse_whole_number, text_or_none
from event_tracker.cli.ingest.logs.parsers.log_parser import LogParser
from event_tracker.cli.ingest.logs.parsers.request_line import split_request_line
from event_tracker.cli.ingest.logs.parsers.times import parse_clf_time
from event_tracker.cli.ingest.logs.request import Request

INVALID = "Isn't a line of an S3 server access log."
# No bucket is called "-", which is the second word of a line of the combined format: what follows there, visitors can choose.
BEFORE = re.compile(
    r"\S++ \w[\w.-]*+ \[([^\]]{20,30})\] (\S++) (\S++) (\S++) ([A-Z][\w.]++) (\S++) (?=\"|- )", re.ASCII
)
NUMBERS = re.compile(r"(\d{3}|-) (\S+) (\d+|-) (\d+|-) (\d+|-) (\d+|-) ", re.ASCII)
REQUEST_ENDS = re.compile(r'" (?=(?:\d{3}|-) \S+ (?:\d+|-) (?:\d+|-) )', re.ASCII)
HOST_PLACE = 5
"""The host's place among the words behind the user agent: version, host id, signature, cipher, authentication, host."""


def is_without_request(line: bytes) -> bool:
    """Whether it is a line of something that S3 did by itself, such as an expiry."""
    text = line.decode(errors="backslashreplace")
    found = BEFORE.match(text)
    return found is not None and text.startswith("- ", found.end())


class S3Parser(LogParser):
    """Reads lines. S3 logs no X-Forwarded-For, so trusted proxies change nothing."""

    def __call__(self, line: bytes) -> Request | None:
        """Read a line; None if it isn't of a request.

        Raises:
            LineError: if it isn't one of this format.
        """
        text = line.decode(errors="backslashreplace")
        found = BEFORE.match(text)
        if found is None:
            raise LineError(INVALID)
        time, address, requester, request_id, operation, key = found.groups()
        if text.startswith("- ", found.end()):
            return None
        ends = REQUEST_ENDS.search(text, found.end() + 1)
        numbers = NUMBERS.match(text, ends.end()) if ends else None
        if ends is None or numbers is None:
            raise LineError(INVALID)
        request = split_request_line(text[found.end() + 1 : ends.start()])
        referrer, user_agent, words = _headers(text[numbers.end() :])
        milliseconds = parse_whole_number(numbers[5])
        return Request(
            time=parse_clf_time(time),
            address=without_port(address) if address != "-" else None,
            method=request.method,
            path=request.path,
            query=request.query,
            host=parse_host(words[HOST_PLACE]) if len(words) > HOST_PLACE else None,
            status=parse_whole_number(numbers[1]),
            bytes=parse_whole_number(numbers[3]),
            seconds=None if milliseconds is None else milliseconds / 1000,
            referrer=referrer,
            user_agent=user_agent,
            user=text_or_none(requester),
            # S3 logs a deletion of several objects as several lines with one id.
            request_id=f"{request_id} {operation} {key}",
            malformed=request.malformed,
        )


def _headers(text: str) -> tuple[str | None, str | None, list[str]]:
    """Referrer, user agent, and the words behind them. Quotes within them aren't escaped."""
    if not text.startswith('"'):
        words = text.split(" ")
        if len(words) < 2 or words[0] != "-":
            raise LineError(INVALID)
        referrer, rest = None, text[2:]
    else:
        middle = min((end for end in (text.find('" "', 1), text.find('" - ', 1)) if end > 0), default=0)
        if not middle:
            raise LineError(INVALID)
        referrer, rest = text_or_none(text[1:middle]), text[middle + 2 :]
    if not rest.startswith('"'):
        return referrer, None, rest.split(" ")[1:]
    # In the first years nothing stood behind the user agent, or one word.
    end = len(rest) - 1 if rest.endswith('"') else rest.rfind('" ')
    if end <= 0:
        raise LineError(INVALID)
    return referrer, text_or_none(rest[1:end]), rest[end + 2 :].split(" ")
