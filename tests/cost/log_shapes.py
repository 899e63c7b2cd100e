"""What `tracker send` reads of logs: a file of one line that is made to be slow, for each kind of repetition."""

import io
from functools import partial

from log_lines import IIS_FIELDS, PLAIN
from log_readers import log_reader
from pieces import Shape

LOGS = log_reader(trusted_hops=1)


def read_all(name: str, content: bytes) -> None:
    """Read a file. The reason of a line that is refused names the format that it looks like: all are tried."""
    for _ in LOGS.read(io.BytesIO(content), name):
        pass


def repeated(name: str, before: str, piece: str, behind: str, size: int) -> bytes:
    """A piece again and again, between two texts. It was read once: what is cached of user agents and pages isn't counted, since the
    first reading of a user agent costs as much as all else, up to its 500th character."""
    content = f"{before}{piece * (size // len(piece))}{behind}".encode()
    read_all(name, content)
    return content


def damaged(name: str, old: str, piece: str, header: str = "") -> Shape:
    """A line of the format, with a part that is replaced by a long repetition."""
    before, found, behind = PLAIN[name][0].partition(old)
    assert found
    return alone(name, header + before, piece, behind)


def alone(name: str, before: str, piece: str, behind: str = "") -> Shape:
    """A line that is of no format."""
    return Shape(partial(repeated, name, before, piece, behind), partial(read_all, name))


LOG_SHAPES = {
    **{f"log:{piece!r} alone": alone("combined", "", piece) for piece in ('"', "\\", " ", "[", '" 200 1 ', "REST.", "#Fields: ")},
    "log:times": alone("combined", "", ' [01/Oct/2026:12:00:00 +0000] "x'),
    "log:quotes of a request": damaged("combined", "/a?b=c", '"a" 200 5x'),
    "log:escapes of a user agent": damaged("combined", "Mozilla/5.0 (X)", r"\x22\"\q"),
    "log:quotes of a user agent": damaged("combined", "Mozilla/5.0 (X)", '" "a'),
    "log:a user agent without an end": damaged("combined", 'Mozilla/5.0 (X)"', '" "a'),
    "log:a user with spaces": damaged("combined", "- - [", "- a ["),
    "log:addresses": damaged("combined", "198.51.100.7", "10.0.0.1, "),
    "log:spaces of a path": damaged("combined", "/a?b=c", " HTTP/1.1 ?"),
    "log:dots of S3": damaged("s3", "WEBSITE.GET.OBJECT", "A."),
    "log:quotes of S3": damaged("s3", "Mozilla/5.0 (X)", '" - "'),
    "log:requests of S3": damaged("s3", "/a?b=c", '" 200 - 1 1'),
    "log:quotes of ALB": damaged("alb", "Mozilla/5.0 (X)", r"\" \x22"),
    "log:members": alone("caddy", '{"a":1', ',"request":{"method":"GET"}', "}"),
    "log:broken JSON": alone("nginx-json", "{", r'"\x22\xc3":1,'),
    "log:braces": alone("traefik", "", '{"a":'),
    "log:cells": alone("cloudfront", "#Fields: date time cs-uri-stem\n", "a\t"),
    "log:fields": alone("cloudfront", "#Fields: x-edge-", "cs(A) "),
    "log:plus signs": damaged("iis", "/a", "+a++", IIS_FIELDS + "\n"),
}  # fmt: skip
