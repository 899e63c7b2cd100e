"""A collector that starts while PostgreSQL is unavailable knows sources, keys and schemas from a copy on its disk."""

import os
import stat
from contextlib import contextmanager
from types import SimpleNamespace

import gevent
import pytest
from ports import free_port
from sites import make_source
from structlog.testing import capture_logs
from werkzeug.test import Client

from event_tracker.collector import app
from event_tracker.collector.app import KafkaParts
from event_tracker.collector.authentication import Authenticator, SourceCache
from event_tracker.collector.settings import CollectorSettings
from event_tracker.collector.source_copy import FILE, SourceCopyFile
from event_tracker.core.http.connections import CONNECTIONS
from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import UNAVAILABLE, open_pool
from event_tracker.core.secrets.keys import make_key
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.model.event_schemas import set_schema


@contextmanager
def cache(url, copy):
    """A source cache that has tried to read the database once."""
    pool = open_pool(url, name="test", size=2, timeout=0.5, options={}, watched=False)
    made = SourceCache(pool, copy)
    try:
        try:
            made._update()
        except UNAVAILABLE:
            assert made.is_stale()
        yield made
    finally:
        made.close()
        pool.close()


@pytest.fixture
def key(owner):
    """The key of a source with a rate limit and a schema that is enforced."""
    made = make_source(owner, "shop", ["https://shop.test"], 500)
    set_schema(owner, "shop", "view", {"properties": {"page": {"type": "string"}}})
    owner.execute("update sources set schema_mode = 'enforce' where name = 'shop'")
    return made


@pytest.fixture
def copy(tmp_path):
    return SourceCopyFile(tmp_path)


NOWHERE = f"postgresql://127.0.0.1:{free_port()}/events"


def credentials(source_cache, key, **environ):
    return Authenticator(source_cache, required=True).authenticate(environ, key)


def test_what_was_read_is_known_without_the_database(postgres, database, copy, key):
    with cache(postgres.url(database, "collector"), copy) as read:
        expected = credentials(read, key)
    with cache(NOWHERE, copy) as copied:
        found = credentials(copied, key)
        assert found[:3] == expected[:3] == ("shop", found.prefix, 500)
        assert found.plan.enforced
        assert found.plan.find_violations("view", {"page": 7}, 10)
        assert not found.plan.find_violations("view", {"page": "/"}, 10)
        with pytest.raises(Problem) as refused:
            credentials(copied, key, HTTP_ORIGIN="https://elsewhere.test")
        assert refused.value.code == "origin_not_allowed"


def test_the_first_request_need_not_wait_for_the_loop(postgres, database, copy, key):
    with cache(postgres.url(database, "collector"), copy):
        pass
    pool = open_pool(NOWHERE, name="test", size=2, timeout=0.5, options={}, watched=False)
    for ask in (lambda made: made.find(key).prefix, lambda made: made.find_plan("shop").source):
        made = SourceCache(pool, copy)
        assert ask(made)
        made.close()
    pool.close()


def test_an_unknown_key_may_be_new_so_it_is_not_refused(postgres, database, copy, key):
    with cache(postgres.url(database, "collector"), copy):
        pass
    with cache(NOWHERE, copy) as copied, pytest.raises(UNAVAILABLE):
        credentials(copied, make_key("wk").key)


def test_a_key_that_was_revoked_is_not_in_the_next_copy(postgres, database, copy, key, owner):
    url = postgres.url(database, "collector")
    with cache(url, copy) as read:
        owner.execute("update write_keys set revoked_at = now()")
        read._update()
    with cache(NOWHERE, copy) as copied, pytest.raises(UNAVAILABLE):
        credentials(copied, key)


def test_only_the_collector_may_read_it_and_it_has_no_key(postgres, database, copy, key, tmp_path):
    before = os.umask(0)
    try:
        (tmp_path / f"sources.{os.getpid()}").touch(0o666)  # a crash left it
        with cache(postgres.url(database, "collector"), copy):
            pass
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert key not in (tmp_path / FILE).read_text()


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"{}", b'{"sources":[],"keys":[],"schemas":[],"format":2}', b"\xff"]
)
def test_without_a_copy_that_can_be_read_it_waits_for_the_database(copy, tmp_path, content):
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with cache(NOWHERE, copy) as copied, pytest.raises(UNAVAILABLE):
        credentials(copied, make_key("wk").key)


def test_a_copy_that_can_not_be_written_stops_nothing(postgres, database, tmp_path, key):
    with cache(postgres.url(database, "collector"), SourceCopyFile(tmp_path / "missing")) as read:
        assert credentials(read, key).source == "shop"


def test_a_copy_that_can_not_be_written_is_tried_again(postgres, database, tmp_path, key):
    folder = tmp_path / "later"
    with cache(postgres.url(database, "collector"), SourceCopyFile(folder)) as read:
        with capture_logs() as logs:
            read._update()
        assert not logs, "the first time was logged"
        folder.mkdir()
        read._update()
        assert (folder / FILE).exists()
        (folder / FILE).unlink()
        read._update()
        assert not (folder / FILE).exists(), "what is written isn't written again"


def test_only_the_loop_writes_it(postgres, database, copy, key, tmp_path, owner):
    """Two that wrote at once would write into one file."""
    with cache(postgres.url(database, "collector"), copy) as read:
        before = (tmp_path / FILE).read_bytes()
        new = make_source(owner, "app", [])
        assert read.find(new).source.name == "app"
        assert (tmp_path / FILE).read_bytes() == before
        read._update()
        assert b'"app"' in (tmp_path / FILE).read_bytes()


def test_without_a_copy_it_is_said_once(copy):
    with capture_logs() as logs, cache(NOWHERE, copy) as copied:
        for _ in range(2):
            with pytest.raises(UNAVAILABLE):
                credentials(copied, make_key("wk").key)
            with pytest.raises(UNAVAILABLE):
                copied._update()
    assert [one["event"] for one in logs].count("there is no copy of sources and keys") == 1


@pytest.mark.parametrize("is_copied", [True, False])
def test_with_kafka_it_is_ready_only_once_it_knows_sources(
    postgres, database, copy, key, tmp_path, monkeypatch, is_copied
):
    """Without sources it would answer 503 to all: a rollout mustn't replace by it those that know them."""
    if is_copied:
        with cache(postgres.url(database, "collector"), copy):
            pass
    idle = SimpleNamespace(require_ready=lambda: None, report=dict, close=lambda: None)
    monkeypatch.setattr(app, "open_kafka", lambda _: KafkaParts(idle, SimpleNamespace(close=lambda: None), idle))
    monkeypatch.setattr(app, "POOL_SECONDS", 0.2)
    collector = app.create_app(
        CollectorSettings.read(database_url=NOWHERE, kafka_brokers="127.0.0.1:1", source_copy_folder=str(tmp_path))
    )
    try:
        client, connections = Client(collector), SimpleNamespace(was_closed_here=lambda: True)

        def ask():
            return client.get("/readyz", environ_overrides={CONNECTIONS: connections})

        if is_copied:
            with gevent.Timeout(30):
                while ask().status_code != 200:
                    gevent.sleep(0.02)
        else:
            gevent.sleep(0)
            answer = ask()
            assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    finally:
        collector.close()


def test_the_folder_must_be_there():
    with pytest.raises(InvalidSettingsError) as raised:
        CollectorSettings.read(database_url="postgresql://", source_copy_folder="/nowhere")
    assert "SOURCE_COPY_FOLDER" in raised.value.mistakes
