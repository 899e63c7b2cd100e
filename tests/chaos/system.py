"""What is under test: PostgreSQL, collectors behind proxies, query services, and the owner's command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import requests
from ports import free_port
from servers import Postgres, Service
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key

from .proxy import Proxy

DATABASE = "events"
STABLE_SOURCES = ("stable-a", "stable-b")
ORDINARY_SOURCES = ("default", "shop", "blog", "brief")
ERASED_SOURCES = ("club", "team")
"""Of users who are erased."""

BULK_SOURCE = "bulk"
ORDERS_SOURCE = "orders"
"""Its events are held to a schema that changes."""

KEEP_DAYS = 30
"""Of the source `brief`: its events of the expired era go, with or without --keep."""


class Restartable:
    """A service on a port that stays the same."""

    def __init__(self, start: Callable[..., Service], name: str, **settings: Any) -> None:
        self._start, self._name = start, name
        self._settings = {**settings, "PORT": free_port()}
        self.url = f"http://127.0.0.1:{self._settings['PORT']}"
        self.service = self._start(name, wait=False, **self._settings)

    def restart(self) -> None:
        """Start it after it was ended, and return once it is ready."""
        self.service = self._start(self._name, **self._settings)


class System:
    """Everything that runs.

    Attributes:
        keys: write keys by source; `default` has none.
        everything: headers of a token that may do all; `of_source` of one that may for that source alone.
    """

    def __init__(self, postgres: Postgres, start: Callable[..., Service], collectors: int) -> None:
        self.postgres = postgres
        self.owner_url = postgres.url(DATABASE)
        self.proxies = [Proxy(free_port(), self._socket) for _ in range(collectors)]
        with self.owner() as owner:
            self.keys = _make_sources(owner)
            self.everything = _make_token(owner)
            self.of_source = {source: _make_token(owner, source) for source in ERASED_SOURCES}
        control = {
            "CONTROL_DATABASE_URL": postgres.url(DATABASE, "control"),
            "SIGNING_KEY": make_signing_key(),
            "AUTH": "required",
            "STATEMENT_SECONDS": 30,  # slow is not wrong
            "EXPORTS": 50,  # all who ask have one token, which may have half of them
        }
        self.collectors = [
            # The first takes events without a key, too.
            Restartable(
                start,
                "collector",
                DATABASE_URL=_through(proxy),
                AUTH="required" if number else "open",
                EARLIEST_TIMESTAMP="0001-01-01",
            )
            for number, proxy in enumerate(self.proxies)
        ]
        self.queries = [
            Restartable(start, "query", DATABASE_URL=postgres.url(DATABASE, "query"), **control) for _ in range(2)
        ]
        for one in [*self.collectors, *self.queries]:
            one.service.wait_ready()

    @contextmanager
    def owner(self) -> Iterator[psycopg.Connection]:
        """A connection of the database's owner, autocommit, in UTC."""
        with psycopg.connect(self.owner_url, autocommit=True, options="-c timezone=UTC") as connection:
            yield connection

    def collectors_for(self, source: str) -> list[Restartable]:
        return self.collectors if source in self.keys else self.collectors[:1]

    def a_query(self, random: Random) -> str:
        return random.choice(self.queries).url

    def maintain(self, *arguments: str) -> "subprocess.Popen[str]":
        """`tracker maintain`, started."""
        return subprocess.Popen(
            [sys.executable, "-m", "event_tracker.cli", "maintain", *arguments],
            env={**os.environ, "DATABASE_URL": self.owner_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def log_of_postgres(self) -> str:
        return (Path(self.postgres.server.pgdata) / "log").read_text(errors="replace")

    def logged(self, answer: requests.Response) -> str:
        """A request, its answer, and why it was this one, as far as the service's log says it."""
        services = [one for one in (*self.collectors, *self.queries) if answer.url.startswith(f"{one.url}/")]
        lines = [line for one in services for line in one.service.log.read_text().splitlines()]
        own = [json.loads(line) for line in lines if answer.headers["X-Request-ID"] in line]
        said = [line for entry in own for line in entry.get("exception", "").splitlines()]
        reasons = [line for line in said if line[:1].strip() and ": " in line]  # the others are of tracebacks
        return f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text} {reasons}"

    def close(self) -> None:
        for proxy in self.proxies:
            proxy.close()

    def _socket(self) -> str:
        server = self.postgres.server.get_postmaster_info()
        return f"{server.socket_dir}/.s.PGSQL.{server.port}"


def _through(proxy: Proxy) -> str:
    options = "options=-c%20role%3Dcollector&sslmode=disable&gssencmode=disable"
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/{DATABASE}?{options}"


def _make_sources(owner: psycopg.Connection) -> dict[str, str]:
    keys = {}
    for source in (*STABLE_SOURCES, *ORDINARY_SOURCES[1:], *ERASED_SOURCES, BULK_SOURCE, ORDERS_SOURCE):
        made = make_key("wk")
        keep = KEEP_DAYS if source == "brief" else None
        mode = "enforce" if source == ORDERS_SOURCE else "off"
        owner.execute("insert into sources (name, keep, schema_mode) values (%s, %s, %s)", [source, keep, mode])
        owner.execute(
            "insert into write_keys (prefix, source, hash) values (%s, %s, %s)", [made.prefix, source, made.hash]
        )
        keys[source] = made.key
    return keys


def _make_token(owner: psycopg.Connection, *sources: str) -> dict[str, str]:
    key = make_key("rt")
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, 'chaos', %s, %s, %s)",
        [key.prefix, key.hash, ["read_stats", "read_events", "export", "admin"], list(sources) or None],
    )
    return {"Authorization": f"Bearer {key.key}"}
