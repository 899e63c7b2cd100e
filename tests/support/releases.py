"""What each release left in tests/fixtures/releases: a database, and what its services answered about it.

`VERSION.sql.gz` is a dump by pg_dump. `VERSION.json.gz` has the questions with their answers, and what a client of then still has:
keys, tokens, a password, a receipt, and events that it may send again. scripts/release-fixture makes both.
"""

import gzip
import json
import math
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import requests
from servers import Postgres, Service
from signing_key import make_signing_key
from tools import ROOT

from event_tracker.cli.database.migrate import bring_up_to_date

ROUNDING = 1e-15
"""How far numbers may be apart: means and medians that were computed in another order differ in the last bit."""

FOLDER = ROOT / "tests" / "fixtures" / "releases"
MIGRATIONS = ROOT / "infra" / "migrations"

VARYING = {"as_of", "exported_at", "last_used", "next_cursor"}
"""Members of answers that are another value each time, or that another release may make in another way: only whether they
are null is compared."""

Record = dict[str, Any]
Start = Callable[..., Service]


class Release(NamedTuple):
    """What a release left."""

    version: str
    dump: Path
    record: Path

    @classmethod
    def of(cls, version: str) -> "Release":
        return cls(version, FOLDER / f"{version}.sql.gz", FOLDER / f"{version}.json.gz")

    def read_record(self) -> Record:
        found: Record = json.loads(gzip.decompress(self.record.read_bytes()))
        return found

    def write_record(self, record: Record) -> None:
        text = json.dumps(record, ensure_ascii=False, indent=1)
        self.record.write_bytes(gzip.compress(text.encode(), mtime=0))


RELEASES = [Release.of(path.name.removesuffix(".json.gz")) for path in sorted(FOLDER.glob("*.json.gz"))]


@contextmanager
def restored(postgres: Postgres, dump: bytes) -> Iterator[str]:
    """A new database with the contents of a plain dump; gives its name."""
    name = f"release_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name}")
    try:
        psql = [str(postgres.server.bin_path / "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]
        done = subprocess.run([*psql, postgres.url(name)], input=dump, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        yield name
    finally:
        postgres.execute(f"drop database {name} with (force)")


class Upgraded:
    """A release's database, migrated, with both services of this working tree on it."""

    def __init__(self, postgres: Postgres, name: str, start: Start, record: Record) -> None:
        self.url, self.record = postgres.url(name), record
        self.start_collector = partial(
            start, "collector", DATABASE_URL=postgres.url(name, "collector"), AUTH="required"
        )
        self.query = start(
            "query",
            DATABASE_URL=postgres.url(name, "query"),
            CONTROL_DATABASE_URL=postgres.url(name, "control"),
            SIGNING_KEY=make_signing_key(),
            AUTH="required",
        )

    @cached_property
    def collector(self) -> Service:
        """It starts when it is first used: it deletes refused events of a certain age, which answers tell."""
        return self.start_collector()

    def send(self, key: str, events: list[Record]) -> Record:
        """Send a batch with one of the release's write keys."""
        headers = {"X-Write-Key": self.record["write_keys"][key]}
        return self._json(requests.post(f"{self.collector.url}/events", json=events, headers=headers, timeout=30))

    def ask(self, question: Record) -> tuple[int, Any]:
        """Ask a recorded question, with the recorded token.

        Returns:
            The status and the answer: the lines of NDJSON, and of an error its code, since its sentences may change.
        """
        headers = {"Authorization": f"Bearer {self.record['tokens'][question.get('token', 'admin')]}"}
        answer = requests.request(
            question.get("method", "GET"),
            self.query.url + question["path"],
            params=question.get("params"),
            json=question.get("body"),
            headers=headers,
            timeout=60,
        )
        if "ndjson" in answer.headers["Content-Type"]:
            return answer.status_code, [json.loads(line) for line in answer.text.splitlines()]
        found = answer.json()
        return answer.status_code, found if answer.ok else {"code": found["code"]}

    def differences(self) -> list[str]:
        """Ask all recorded questions. Returns where the answers aren't the recorded ones."""
        found = []
        for question in self.record["questions"]:
            asked = f"{question['path']} {question.get('params') or ''}"
            status, answer = self.ask(question)
            found += differences(question["status"], status, asked) or differences(question["answer"], answer, asked)
        return found

    @staticmethod
    def _json(answer: requests.Response) -> Record:
        assert answer.ok, answer.text
        found: Record = answer.json()
        return found


@contextmanager
def upgraded(release: Release, postgres: Postgres, start: Start, migrations: Path = MIGRATIONS) -> Iterator[Upgraded]:
    """Restore a release's database, migrate it as `tracker migrate` does, and start both services on it."""
    with restored(postgres, gzip.decompress(release.dump.read_bytes())) as name:
        bring_up_to_date(postgres.url(name), migrations)
        yield Upgraded(postgres, name, start, release.read_record())


def differences(recorded: Any, answered: Any, place: str) -> list[str]:
    """Where an answer isn't the recorded one. Members that the release didn't have are none: releases may add some."""
    if isinstance(recorded, dict) and isinstance(answered, dict):
        found = []
        for name, value in recorded.items():
            if name not in answered:
                found.append(f"{place}/{name}: is missing")
            elif name in VARYING:
                found += differences(value is None, answered[name] is None, f"{place}/{name} is null")
            else:
                found += differences(value, answered[name], f"{place}/{name}")
        return found
    if isinstance(recorded, list) and isinstance(answered, list) and len(recorded) == len(answered):
        pairs = enumerate(zip(recorded, answered, strict=True))
        return [line for number, pair in pairs for line in differences(*pair, f"{place}/{number}")]
    if (
        isinstance(recorded, float)
        and isinstance(answered, float)
        and math.isclose(recorded, answered, rel_tol=ROUNDING)
    ):
        return []
    return [] if recorded == answered else [f"{place}: was {recorded!r}, is {answered!r}"]
