"""Make what a release leaves for its successors: run by scripts/release-fixture, with the code of the release.

It does what an installation does over some months: it takes events over HTTP and from files, by two collectors; refuses some;
deletes old ones, builds blocks of days, and then takes late events of these; erases and anonymises users. All times are before today.
"""

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import tomllib
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import requests
from release_questions import questions
from releases import FOLDER, Record, Release, Upgraded, upgraded
from servers import Postgres, Service, launching
from signing_key import make_signing_key
from tools import ROOT
from waiting import wait_until

from event_tracker.cli.database.partitions import Month, make_partition
from event_tracker.core.secrets.keys import make_key

END = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
START = END - timedelta(days=120)
ARCHIVE_START = END - timedelta(days=300)
ARCHIVE_DAYS = 200
"""How long events of the source archive are kept when retention runs: some of them are deleted, some stay."""

PARTITIONS = 4
"""Months before this one that get a partition, as an installation has made them. Events before those are in the default one."""

SHOP_EVENTS, BLOG_EVENTS, ARCHIVE_EVENTS = 600, 500, 60
READER, ERASED, ANONYMISED, TO_ERASE = "reader-1", "reader-2", "reader-3", "reader-4"
PERSON, PASSWORD = "ann", "a password of ann's"
MAX_BYTES = 300_000
"""Two thirds of it are blocks, which are compressed already."""

PAGES = ["/", "/mugs", "/mugs/blue", "/cart", "/über-uns", "/\u65e5\u672c"]
AMOUNTS: list[Any] = [20, 20.0, "20", 7.5, 1e21, -3, "free"]
PURCHASE = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}


def blog_event(chosen: random.Random, number: int) -> Record:
    """An event of one of twelve readers. Visits are dense, so that sessions have several events; some cross midnight."""
    user_id = f"reader-{chosen.randrange(12)}"
    visit = chosen.randrange(60)
    at = START + timedelta(
        days=2 * visit, hours=23 * (visit % 2), minutes=chosen.randrange(90), microseconds=number * 1013
    )
    event_type = chosen.choices(["page_view", "signup", "purchase", "søk"], [8, 2, 3, 1])[0]
    properties: Record = {"page": chosen.choice(PAGES)}
    if event_type == "purchase":
        properties |= {"amount": chosen.choice(AMOUNTS), "items": [{"id": number, "tags": ["a", None]}], "gift": None}
    elif event_type == "søk":
        properties |= {"words": "half a \ud83d and a \x00", "found": number % 2 == 0}
    return {
        "user_id": user_id,
        "event_type": event_type,
        "timestamp": at.isoformat(),
        "event_id": str(uuid.UUID(int=chosen.getrandbits(128), version=4)),
        "session_id": f"{user_id}-{visit}" if visit % 3 else None,
        "properties": properties,
    }


class Installation:
    """A server with two collectors, a query service and the command line."""

    def __init__(self, server: Postgres, start: Callable[..., Service]) -> None:
        server.execute("create database events")
        self.server = server
        self.environment = {
            "DATABASE_URL": server.url("events"),
            "ADMIN_TOKEN": make_key("rt").key,
            "COLUMNS": "200",
            "MIGRATIONS_DIR": str(ROOT / "infra" / "migrations"),
        }
        self.tracker("migrate")
        with psycopg.connect(server.url("events"), autocommit=True) as owner:
            for distance in range(1, PARTITIONS + 1):
                make_partition(owner, Month(datetime.now(UTC).year, datetime.now(UTC).month).plus(-distance))
        given = {"DATABASE_URL": server.url("events", "collector"), "AUTH": "required"}
        self.collectors = [start("collector", **given) for _ in range(2)]
        self.query = start(
            "query",
            DATABASE_URL=server.url("events", "query"),
            CONTROL_DATABASE_URL=server.url("events", "control"),
            SIGNING_KEY=make_signing_key(),
            AUTH="required",
        )
        self.environment |= {
            "QUERY_URL": self.query.url,
            "COLLECTOR_URL": self.collectors[0].url,
            "API_TOKEN": self.environment["ADMIN_TOKEN"],
        }
        self.keys: dict[str, str] = {}

    def tracker(self, *arguments: str, **environment: str) -> str:
        """Run the command line; return what it prints."""
        command = [sys.executable, "-m", "event_tracker.cli", *arguments]
        given = {**os.environ, **self.environment, **environment}
        return subprocess.run(
            command, env=given, check=True, stdout=subprocess.PIPE, text=True, timeout=120
        ).stdout.strip()

    def admin(self, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.environment['ADMIN_TOKEN']}"}
        answer = requests.request(method, self.query.url + path, json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def make_source(self, name: str, *options: str) -> None:
        self.tracker("source", "set", name, *options)
        self.keys[name] = self.tracker("key", "create", name)

    def send(self, source: str, events: list[Record], collector: int = 0) -> Record:
        """Send a batch. An answer may list some of its events as refused."""
        headers = {"X-Write-Key": self.keys[source]}
        answer = requests.post(f"{self.collectors[collector].url}/events", json=events, headers=headers, timeout=60)
        assert answer.status_code in {200, 207}, answer.text
        found: Record = answer.json()
        return found

    def dump(self) -> bytes:
        """A plain dump, without the log of migrations: it names the machine and the account."""
        program = str(self.server.server.bin_path / "pg_dump")
        options = ["--no-owner", "--exclude-table-data=_yoyo_log"]
        return subprocess.run([program, *options, self.server.url("events")], check=True, capture_output=True).stdout


def live(site: Installation, folder: Path) -> Record:
    """Fill the database. Return what clients of the release still have afterwards."""
    chosen = random.Random(1)
    site.make_source("shop", "--origin", "https://shop.example", "--schema-mode", "off")
    site.make_source("blog", "--rate-limit", "1000", "--keep-days", "36500")
    site.make_source("archive", "--keep-days", str(ARCHIVE_DAYS + (datetime.now(UTC) - END).days))
    site.tracker("pages", "set", "blog", "/mugs", "--title", "Our mugs", "--category", "shop")
    revoked = site.tracker("key", "create", "shop")
    site.tracker("key", "revoke", revoked[:13])
    tokens = {
        "admin": site.environment["ADMIN_TOKEN"],
        "blog": site.tracker("token", "create", "blog", "--may", "read_stats", "--may", "read_events", "--may", "admin", "--source", "blog"),
    }  # fmt: skip
    site.tracker("token", "revoke", site.tracker("token", "create", "old", "--may", "export")[:13])
    sign_up(site)

    site.tracker(
        "simulate", "--scenario", "shop", "--events", str(SHOP_EVENTS), "--end", END.isoformat(),
        "--truth", str(folder / "truth.json"), WRITE_KEY=site.keys["shop"],
    )  # fmt: skip
    events = [blog_event(chosen, number) for number in range(BLOG_EVENTS)]
    site.send("blog", events[:300])
    archive = [
        {"user_id": f"reader-{number % 20}", "event_type": "page_view", "event_id": str(uuid.uuid4()),
         "timestamp": (ARCHIVE_START + timedelta(days=3 * number)).isoformat(), "properties": {"page": "/old"}}
        for number in range(ARCHIVE_EVENTS)
    ]  # fmt: skip
    file = folder / "archive.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in archive))
    site.tracker("send", str(file), WRITE_KEY=site.keys["archive"])
    site.tracker("maintain")
    # What was deleted stays so, and nothing more is: a later run would delete events by the date of that day.
    site.tracker("source", "set", "archive", "--keep-days", "0")

    refused = check_purchases(site, folder)
    site.send("blog", events[300:450], collector=1)
    site.send("blog", events[450:])
    receipt = folder / "receipt.json"
    site.tracker("erase", ERASED, str(receipt))
    site.tracker("erase", "--anonymise", ANONYMISED, str(folder / "anonymous.json"))
    wait_until(lambda: len(site.admin("GET", "/admin/rejections")["items"]) == refused, "all refused events are kept")

    kept = next(event for event in events if (event["user_id"], event["event_type"]) == (READER, "page_view"))
    return {
        "write_keys": site.keys,
        "revoked_key": revoked,
        "tokens": tokens,
        "person": {"name": PERSON, "password": PASSWORD},
        "receipt": json.loads(receipt.read_text()),
        "erased": ERASED,
        "public_keys": requests.get(f"{site.query.url}/.well-known/jwks.json", timeout=30).json(),
        "to_erase": TO_ERASE,
        "stored": {"key": "blog", "event": kept},
        "expired": {"key": "archive", "event": archive[0]},
    }


def sign_up(site: Installation) -> None:
    """Let a person in, who sets a password of their own."""
    site.tracker("user", "set", PERSON, "--role", "analyst", "--source", "shop")
    body = {"name": PERSON, "password": site.tracker("user", "password", PERSON)}
    signed_in = requests.post(f"{site.query.url}/auth/sign-in", json=body, timeout=30).json()
    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    answer = requests.post(f"{site.query.url}/auth/password", json={"password": PASSWORD}, headers=headers, timeout=30)
    assert answer.status_code == 204, answer.text


def check_purchases(site: Installation, folder: Path) -> int:
    """Give purchases of the blog a schema. Return how many events were refused: by the schema, and for other reasons."""
    schema = folder / "purchase.json"
    for version in ({"type": "object"}, PURCHASE):
        schema.write_text(json.dumps(version))
        site.tracker("schema", "set", "blog", "purchase", str(schema))
    site.tracker("source", "set", "blog", "--schema-mode", "enforce")
    wrong = {"user_id": READER, "event_type": "purchase", "properties": {"amount": "much"}}

    def statuses() -> set[int]:
        headers, url = {"X-Write-Key": site.keys["blog"]}, "/events?dry_run=true"
        return {
            requests.post(one.url + url, json=wrong, headers=headers, timeout=30).status_code for one in site.collectors
        }

    wait_until(lambda: statuses() == {422}, "both collectors have the schema")
    right = {"user_id": READER, "event_type": "page_view", "timestamp": (END - timedelta(hours=1)).isoformat()}
    batch = [right, wrong, {"user_id": READER}, {**right, "timestamp": "yesterday"}]
    refused: int = site.send("blog", batch)["rejected"]
    site.tracker("source", "set", "blog", "--schema-mode", "warn")
    wait_until(lambda: statuses() == {200}, "both collectors store what violates the schema")
    return refused


def main() -> None:
    """Write the dump of this release and its record."""
    release = Release.of(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pg") as data, tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(data))
        try:
            with launching(Path(folder)) as start:
                site = Installation(server, start)
                record = live(site, Path(folder))
                asked = questions(START, END, READER, ERASED)
            release.dump.write_bytes(gzip.compress(site.dump(), mtime=0))
            release.write_record({"version": release.version, **record, "questions": []})
            # Ask as the test does, on what was restored.
            with launching(Path(folder)) as start, upgraded(release, server, start) as again:
                record["questions"] = [page for question in asked for page in answered(question, again)]
            release.write_record({"version": release.version, **record})
        finally:
            server.stop("immediate")
    size = release.dump.stat().st_size + release.record.stat().st_size
    print(f"{release.version}: {size:,} bytes, {len(record['questions'])} questions")
    assert size < MAX_BYTES, f"more than {MAX_BYTES:,} bytes"


def answered(question: Record, again: Upgraded) -> Iterator[Record]:
    """A question with its answer; of a page of events also the next page, since a cursor is valid beyond an upgrade."""
    status, answer = again.ask(question)
    yield {**question, "status": status, "answer": answer}
    if question["path"] == "/events" and answer["next_cursor"] and "cursor" not in question["params"]:
        yield from answered({**question, "params": {**question["params"], "cursor": answer["next_cursor"]}}, again)


if __name__ == "__main__":
    main()
