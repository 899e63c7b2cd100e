"""Writes the files of a log, as a server delivers them.

There is a file for each hour, or day, with requests. Visits that come late are in further files of their hour, and those that are sent
twice are in two. CloudFront's lines are in no order, as its files are.
"""

import gzip
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from event_tracker.cli.ingest.logs.request import Request
from event_tracker.cli.simulate.logs.formats import WrittenFormat
from event_tracker.cli.simulate.logs.site_requests import LoggedVisit


def write_logs(folder: Path, visits: Iterable[LoggedVisit], run: str, written: WrittenFormat) -> tuple[int, int]:
    """Write the files; return their number and that of their lines.

    Args:
        folder: made if it isn't there.
        run: the id of this run, a part of the files' names.

    Raises:
        OSError: if the folder can't be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[tuple[str, str], list[Request]] = defaultdict(list)
    for visit, requests, _ in visits:
        deliveries = ["late" if visit.late_by else "in time", *(["again"] if visit.resent_after is not None else [])]
        for request in requests:
            for delivery in deliveries:
                files[f"{request.time:{written.period}}", delivery].append(request)
    for (period, delivery), requests in files.items():
        digest = hashlib.blake2b(f"{run} {period} {delivery}".encode(), digest_size=4).hexdigest()
        lines = "".join(written.write(sorted(requests, key=_order(written))))
        path = folder / written.name.format(period=period, digest=digest)
        path.write_bytes(gzip.compress(lines.encode(), mtime=0))
    return len(files), sum(map(len, files.values()))


def _order(written: WrittenFormat) -> Callable[[Request], Any]:
    return (lambda request: request.time) if written.is_in_order else (lambda request: request.request_id)
