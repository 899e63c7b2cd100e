"""The invented site's requests as objects in a bucket, as CloudFront would have delivered them."""

import gzip
import ipaddress
import json
import random

from cloudfront_logs import CloudFrontLogs
from log_site import LogSite

from event_tracker.cli.ingest.logs.request import Request


def make_objects(site: LogSite, seed: int) -> list[tuple[str, bytes]]:
    """Keys and contents, in no order: several files an hour, legacy and JSON, some requests in both, some files delivered twice.

    They have no countries.
    """
    choose = random.Random(seed)
    writer = CloudFrontLogs(seed, 0)
    by_hour: dict[str, list[Request]] = {}
    for request in site.requests:
        by_hour.setdefault(f"{request.time:%Y-%m-%d-%H}", []).append(_as_written(request))
    objects = []
    for hour, found in by_hour.items():
        requests = choose.sample(found, len(found))
        for start in range(0, len(requests), 20):
            some = requests[start : start + 20]
            name = f"E2EXAMPLE12345.{hour}.{choose.getrandbits(32):08x}.gz"
            content = writer.legacy(some, choose.choice(["now", "later"]))
            if choose.random() < 0.3:
                rows = [{name: row[name] for name in row if name != "c-country"} for row in writer.rows(some)]
                content = "".join(json.dumps(row) + "\n" for row in rows)
            objects.append((f"logs/{name}", gzip.compress(content.encode())))
    again = [(key.replace(".gz", ".again.gz"), content) for key, content in choose.sample(objects, len(objects) // 5)]
    return choose.sample([*objects, *again], len(objects) + len(again))


def _as_written(request: Request) -> Request:
    """A request with all that a line of CloudFront has."""
    address = str(ipaddress.ip_address(request.address or ""))
    return request._replace(address=address, seconds=0.1, edge_location="FRA56-P4", edge_result="Hit")
