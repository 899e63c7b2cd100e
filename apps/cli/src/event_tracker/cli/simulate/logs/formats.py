"""Writes requests as lines of a log."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from event_tracker.cli.ingest.logs.request import Request

FIELDS = [
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
    "cs-uri-query",
    "cs(Cookie)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "fle-status",
    "fle-encrypted-fields",
    "c-port",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
]
"""Of CloudFront's standard logging (legacy), in its order."""

_ENCODED = frozenset(b"<>\"#%{}|\\^~[]`' ")
"""Bytes that CloudFront writes percent-encoded, beside those that can't be seen."""


def encode(text: str | None, *, keep: bytes = b"") -> str:
    """A value as CloudFront writes it: without spaces, and `-` for none."""
    if not text:
        return "-"
    return "".join(
        chr(byte) if 32 < byte < 127 and (byte not in _ENCODED or byte in keep) else f"%{byte:02X}"
        for byte in text.encode()
    )


def _row(request: Request) -> dict[str, str]:
    return {
        "date": f"{request.time:%Y-%m-%d}",
        "time": f"{request.time:%H:%M:%S}",
        "x-edge-location": request.edge_location or "-",
        "sc-bytes": str(request.bytes),
        "c-ip": request.address or "-",
        "cs-method": request.method or "-",
        "cs(Host)": "d111111abcdef8.cloudfront.net",
        "cs-uri-stem": encode(request.path, keep=b"%"),
        "sc-status": f"{request.status:03}",
        "cs(Referer)": encode(request.referrer, keep=b"%"),
        "cs(User-Agent)": encode(request.user_agent),
        "cs-uri-query": encode(request.query, keep=b"%"),
        "x-edge-result-type": request.edge_result or "-",
        "x-edge-request-id": request.request_id or "-",
        "x-host-header": request.host or "-",
        "cs-protocol": "https",
        "time-taken": f"{request.seconds:.3f}",
        "cs-protocol-version": "HTTP/2.0",
        "sc-content-type": encode(request.content_type),
    }


def write_legacy(requests: Iterable[Request]) -> Iterator[str]:
    """CloudFront's standard logging, legacy: a header, and values between tabs."""
    yield f"#Version: 1.0\n#Fields: {' '.join(FIELDS)}\n"
    for request in requests:
        row = _row(request)
        yield "\t".join(row.get(name, "-") for name in FIELDS) + "\n"


def write_json(requests: Iterable[Request]) -> Iterator[str]:
    """CloudFront's standard logging v2 in JSON: with the country, which legacy logs don't have."""
    for request in requests:
        row = {**dict.fromkeys(FIELDS, "-"), **_row(request), "c-country": request.country or "-"}
        yield msgspec.json.encode(row).decode() + "\n"


def write_combined(requests: Iterable[Request]) -> Iterator[str]:
    """The combined format with the virtual host in front, as Apache's `vhost_combined`."""
    for request in requests:
        target = f"{request.path}?{request.query}" if request.query else request.path
        yield (
            f"{request.host}:443 {request.address} - - [{request.time:%d/%b/%Y:%H:%M:%S +0000}]"
            f' "{request.method} {target} HTTP/2.0" {request.status} {request.bytes}'
            f' "{request.referrer or "-"}" "{request.user_agent}"\n'
        )


class WrittenFormat(NamedTuple):
    """A format.

    Attributes:
        title: for people.
        write: makes the lines of a file.
        has_countries: whether its lines name the country.
        is_in_order: whether its lines are in the order of their time.
        period: of a file, as strftime writes it in its name.
        name: of a file, with `{period}` and `{digest}`.
    """

    title: str
    write: Callable[[Iterable[Request]], Iterator[str]]
    has_countries: bool
    is_in_order: bool
    period: str
    name: str


CLOUDFRONT_NAME = "E2EXAMPLE12345.{period}.{digest}.gz"

FORMATS = {
    "cloudfront": WrittenFormat("CloudFront's standard logs (legacy)", write_legacy, False, False, "%Y-%m-%d-%H", CLOUDFRONT_NAME),
    "cloudfront-json": WrittenFormat("CloudFront's standard logs v2 in JSON", write_json, True, False, "%Y-%m-%d-%H", CLOUDFRONT_NAME),
    "combined": WrittenFormat(
        "combined logs with the virtual host in front", write_combined, False, True, "%Y-%m-%d", "access.log-{period}-{digest}.gz"
    ),
}  # fmt: skip
"""By the words of `--log-format`."""
