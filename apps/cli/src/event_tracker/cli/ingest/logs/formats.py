"""The formats of logs: their names, and how each is recognised."""

from collections.abc import Callable
from typing import NamedTuple

from event_tracker.cli.ingest.logs.parsers import cloudfront, iis, s3
from event_tracker.cli.ingest.logs.parsers.alb import LoadBalancerParser
from event_tracker.cli.ingest.logs.parsers.caddy import CaddyParser
from event_tracker.cli.ingest.logs.parsers.cloudfront import CloudFrontParser
from event_tracker.cli.ingest.logs.parsers.combined import CombinedParser
from event_tracker.cli.ingest.logs.parsers.fields import LineError
from event_tracker.cli.ingest.logs.parsers.iis import IISParser
from event_tracker.cli.ingest.logs.parsers.nginx_json import NginxParser
from event_tracker.cli.ingest.logs.parsers.s3 import S3Parser
from event_tracker.cli.ingest.logs.parsers.traefik import TraefikParser
from event_tracker.cli.ingest.logs.request import Request

Parse = Callable[[bytes], Request | None]
"""Reads a line of one file. It gives None for a line that isn't of a request, and raises LineError for one of another format."""


class LogFormat(NamedTuple):
    """One format.

    Attributes:
        title: for people, such as "Caddy's JSON log".
        make_parser: makes what reads the lines of one file. It takes the number of trusted proxies.
        recognised_by: how a file of it is recognised, for the documentation.
        is_other_line: whether a line that is of no request is of this format, such as a header; None if it can't be told.
    """

    title: str
    make_parser: Callable[[int], Parse]
    recognised_by: str
    is_other_line: Callable[[bytes], bool] | None = None

    def recognises(self, line: bytes) -> bool:
        """Whether a line is of a request in this format, or another that only such a file has."""
        if self.is_other_line is not None and self.is_other_line(line):
            return True
        try:
            return self.make_parser(0)(line) is not None
        except LineError:
            return False


LOG_FORMATS = {
    "cloudfront": LogFormat(
        "CloudFront's access log",
        CloudFrontParser,
        "the line `#Fields:` names `x-edge-…`; or JSON with `cs-uri-stem`; or Parquet with such a column",
        cloudfront.is_fields_line,
    ),
    "s3": LogFormat(
        "an S3 server access log",
        S3Parser,
        "owner, bucket, a time in brackets, and `REST.GET.OBJECT` or the like",
        s3.is_without_request,
    ),
    "alb": LogFormat(
        "a load balancer's access log (ALB)", LoadBalancerParser, "`http`, `https`, `h2`, `grpcs`, `ws` or `wss`, then a time"
    ),
    "caddy": LogFormat("Caddy's JSON log", CaddyParser, "JSON with `request.uri` and `ts`"),
    "traefik": LogFormat("Traefik's JSON log", TraefikParser, "JSON with `RequestPath` and `DownstreamStatus`"),
    "nginx-json": LogFormat(
        "nginx's JSON log", NginxParser, "JSON with a time, a request and a status, by the names of nginx's variables or other usual ones"
    ),
    "iis": LogFormat("IIS's access log", IISParser, "the line `#Fields:` names `cs-uri-stem`, and no `x-edge-…`", iis.is_fields_line),
    "combined": LogFormat(
        "a combined or common access log",
        CombinedParser,
        'an address, a time in brackets and a request in quotes: `198.51.100.7 - - [17/May/2015:10:05:03 +0200] "GET / HTTP/1.1" 200 12`; '
        "a virtual host may stand in front",
    ),
}  # fmt: skip
"""By the name that `--format` takes. Where several recognise a line, the first one counts: the combined format is last, because its
time and request are looked for anywhere in a line, also in what a visitor sent as user agent."""


def recognise(line: bytes) -> str | None:
    """The name of the format that a line is of."""
    return next((name for name, format_ in LOG_FORMATS.items() if format_.recognises(line)), None)
