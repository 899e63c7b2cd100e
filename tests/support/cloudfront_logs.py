"""Invented access logs of CloudFront, and the requests that they say. The same seed gives the same bytes."""

import gzip
import io
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

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

STYLES = {"now": FIELDS, "twice": FIELDS, "2019": FIELDS[:26], "later": [*FIELDS[::-1], "x-future-field"]}
"""Ways of writing a file, and the fields that it has. `twice` is as from 2013 to 2019: everything is percent-encoded twice."""

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    'Mozilla/5.0 (X11; Linux x86_64) "odd" 100% Émile',
    "curl/8.7.1",
    None,
)
PATHS = ("/", "/docs/install.html", "/blog/caf%C3%A9-culture", "/a%20b.pdf", "/app.css")
QUERIES = (None, "q=1", "utm_campaign=autumn%20sale&x=%25")
REFERRERS = (None, "https://www.google.com/", "https://news.example/a%20b?q=%C3%A9")
STATUSES = (200, 200, 200, 304, 301, 404, 0)
ENCODED = set("<>\"#%{}|\\^~[]`' ")


def encode(text: str, *, percent: bool) -> str:
    """Encode as CloudFront does. `percent`: `%` too, as in user agents; in URLs it stays since 2019."""
    return "".join(
        chr(byte)
        if 32 < byte < 127 and (chr(byte) not in ENCODED or (chr(byte) == "%" and not percent))
        else f"%{byte:02X}"
        for byte in text.encode()
    )


class CloudFrontLogs:
    """Requests, and files of them.

    Attributes:
        requests: all of them, as the newest format says them.
        with_countries: the same with a country, which v2 has.
    """

    def __init__(self, seed: int, number: int = 300) -> None:
        self._random = random.Random(seed)
        self.requests = [self._request(n) for n in range(number)]
        self.with_countries = [request._replace(country="DE") for request in self.requests]

    def _request(self, number: int) -> Request:
        choose = self._random.choice
        status = choose(STATUSES)
        return Request(
            time=datetime(2026, 10, 1, tzinfo=UTC) + timedelta(seconds=self._random.randrange(86_400)),
            address=choose(["192.0.2.7", "2001:db8::1f", "2001:db8:0:1::2"]),
            method=choose(["GET", "GET", "GET", "HEAD", "POST"]),
            path=choose(PATHS),
            query=choose(QUERIES),
            host=choose(["www.example.com", "shop.example.com"]),
            status=status,
            bytes=self._random.randrange(90_000),
            seconds=self._random.randrange(900) / 1000,
            content_type=None if status in (0, 304) else choose(["text/html", "text/html; charset=utf-8", "text/css"]),
            referrer=choose(REFERRERS),
            user_agent=choose(AGENTS),
            request_id=f"{number:06}-" + "".join(self._random.choices("abcXYZ_-0189", k=40)) + "==",
            edge_location=choose(["FRA56-P4", "IAD89-C1"]),
            edge_result=choose(["Hit", "Miss", "RefreshHit"]) if status else "Error",
        )

    def _row(self, request: Request, *, is_legacy: bool, twice: bool) -> dict[str, str]:
        def url(text: str | None) -> str:
            return "-" if text is None else encode(text, percent=twice) if is_legacy else text

        def text(text: str | None) -> str:
            once = "-" if text is None else encode(text, percent=True)
            return encode(once, percent=True) if twice else once

        address = request.address or "-"
        if ":" in address and self._random.random() < 0.5:
            head, tail = address.split("::")
            parts = [*head.split(":"), tail]
            address = ":".join(part.zfill(4) for part in [*parts[:-1], *["0"] * (8 - len(parts)), parts[-1]]).upper()
        known = {
            "date": f"{request.time:%Y-%m-%d}", "time": f"{request.time:%H:%M:%S}", "c-ip": address,
            "x-edge-location": request.edge_location, "sc-bytes": str(request.bytes), "cs-method": request.method,
            "cs(Host)": "d111111abcdef8.cloudfront.net", "cs-uri-stem": url(request.path), "cs-uri-query": url(request.query),
            "cs(Referer)": url(request.referrer), "cs(User-Agent)": text(request.user_agent),
            "sc-status": f"{request.status:03}", "x-edge-result-type": request.edge_result,
            "x-edge-request-id": request.request_id, "x-host-header": f"{request.host}".title() + ":443",
            "time-taken": f"{request.seconds:.3f}", "x-forwarded-for": "203.0.113.1,%20localhost:8080",
            "sc-content-type": "-" if request.content_type is None else encode(request.content_type, percent=True),
            "x-future-field": "new", "c-country": "de",
        }  # fmt: skip
        return {name: str(known.get(name, "-")) for name in [*FIELDS, "x-future-field", "c-country"]}

    def legacy(self, requests: list[Request], style: str) -> str:
        """A file of legacy logging."""
        names = STYLES[style]
        lines = [f"#Version: 1.0\n#Fields: {' '.join(names)}\n"]
        for request in requests:
            row = self._row(request, is_legacy=True, twice=style == "twice")
            surplus = "\t" if self._random.random() < 0.1 else ""
            lines.append("\t".join(row[name] for name in names) + surplus + "\n")
        return "".join(lines)

    def rows(self, requests: list[Request]) -> list[dict[str, str]]:
        """The rows of logging v2."""
        rows = [self._row(request, is_legacy=False, twice=False) for request in requests]
        return [{name: row[name] for name in [*FIELDS, "c-country"]} for row in rows]

    def write_legacy(self, folder: Path) -> list[Path]:
        """Write all requests to compressed files: in no order, several styles, one delivered twice, one without requests."""
        mixed = self._random.sample(self.requests, len(self.requests))
        paths = []
        for number, start in enumerate(range(0, len(mixed), 40)):
            style = list(STYLES)[number % len(STYLES)]
            # What a file is encoded as, only a user agent with a space tells: such a line is first.
            some = sorted(mixed[start : start + 40], key=lambda request: " " not in (request.user_agent or ""))
            text = self.legacy(some, style)
            paths.append(folder / f"E2EXAMPLE12345.2026-10-01-{number:02}.{number:08x}.gz")
            # Two members, as a file has that was put together of two.
            paths[-1].write_bytes(
                gzip.compress(text[: len(text) // 2].encode()) + gzip.compress(text[len(text) // 2 :].encode())
            )
        again = folder / "E2EXAMPLE12345.2026-10-01-00.ffffffff.gz"
        again.write_bytes(paths[0].read_bytes())
        empty = folder / "E2EXAMPLE12345.2026-10-01-23.eeeeeeee.gz"
        empty.write_bytes(gzip.compress(self.legacy([], "now").encode()))
        return [*paths, again, empty]

    def json_lines(self) -> bytes:
        """All requests as logging v2 writes them in JSON."""
        return b"".join(json.dumps(row).encode() + b"\n" for row in self.rows(self.requests))

    def parquet(self) -> bytes:
        """The same in Parquet, with names and types as Athena's table of it has."""
        rows: list[dict[str, Any]] = self.rows(self.requests)
        columns = {
            name.lower().replace("(", "_").replace(")", "").replace("-", "_"): [None if row[name] == "-" else row[name] for row in rows]
            for name in rows[0]
        }  # fmt: skip
        columns["date"] = [datetime.fromisoformat(text).date() for text in columns["date"]]
        file = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(columns), file)
        return file.getvalue()


def as_style_says(request: Request, style: str) -> Request:
    """A request, without what the files of a style don't have."""
    return request if len(STYLES[style]) >= len(FIELDS) else request._replace(content_type=None)
