"""`tracker export` and `tracker live` on a real query service."""

import csv
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pyarrow.parquet
import pytest
import requests
from click.testing import CliRunner
from servers import free_port

from tracker.export import export
from tracker.live import parse
from tracker.records import HEAD, CsvRecords, Records

FILL = """
    insert into events (user_id, "timestamp", event_id, event_type, session_id, properties)
    select 'u"' || n % 7 || E',\r\n', timestamptz '2026-03-01 10:00+00' + n / 3 * interval '1 s', gen_random_uuid(), 't' || n % 3, null,
      jsonb_build_object('n', n, 'text', repeat('"x', 100))
    from generate_series(1, {rows}) as n
"""


@pytest.fixture
def filled(pair):
    pair.owner.execute(FILL.format(rows=3000))
    return pair.query


def whole(service, **parameters):
    return requests.get(f"{service.url}/events/export", params=parameters, timeout=30).content


def run(service, *arguments, url=None):
    return CliRunner().invoke(export, [*map(str, arguments), "--query", url or service.url, "--patience", "5"])


@pytest.mark.parametrize("name", ["ndjson", "csv"])
def test_a_file_is_what_the_service_streams(filled, tmp_path, name):
    file = tmp_path / f"e.{name}"
    result = run(filled, file)
    assert result.exit_code == 0, result.output
    assert "3,000 events" in result.output
    assert file.read_bytes() == whole(filled, format=name)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    again = run(filled, file)
    assert again.exit_code == 2
    assert "--force" in again.output
    assert run(filled, file, "--force", "--limit", 5).exit_code == 0
    assert file.read_bytes() == whole(filled, format=name, limit=5)


def test_parquet_is_whole_or_not_there(filled, tmp_path):
    file = tmp_path / "e.parquet"
    (tmp_path / "e.parquet.part").write_bytes(b"begun")
    assert run(filled, file).exit_code == 0
    assert pyarrow.parquet.read_table(file).num_rows == 3000


def test_filters_and_standard_output(filled):
    result = run(filled, "--type", "t1", "--property", "n=1000", "--from", "2026-03-01T00:00:00Z")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["properties"]["n"] for line in result.stdout.splitlines()] == [1000]
    assert run(filled, "--property", "n").exit_code == 2


@pytest.mark.parametrize("name", ["ndjson", "csv"])
def test_a_file_that_broke_off_anywhere_is_gone_on_with(filled, tmp_path, name):
    """Between records, within one, within a quoted line end, within the header, before anything."""
    expected = whole(filled, format=name)
    file, part = tmp_path / f"e.{name}", tmp_path / f"e.{name}.part"
    dice = random.Random(3)
    places = [0, 1, 40, len(HEAD) - 1, len(HEAD), len(expected) - 1, len(expected), expected.find(b",\r\n", 200) + 2]
    for place in [*places, *(dice.randrange(len(expected)) for _ in range(12))]:
        part.write_bytes(expected[:place])
        result = run(filled, file, "--limit", 10**6)
        assert result.exit_code == 0, result.output
        assert file.read_bytes() == expected, place
        file.unlink()


def pump(source, target, most):
    """Pass on up to so many bytes, then hang up on both sides."""
    with suppress(OSError):
        while most > 0 and (part := source.recv(min(65536, most))):
            target.sendall(part)
            most -= len(part)
    for side in (source, target):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting(service, after):
    """A relay to the service that hangs up after so many bytes of each answer; its URL and the number of connections."""
    host, port = service.url.removeprefix("http://").split(":")
    relay = socket.create_server(("127.0.0.1", 0))
    connections = []

    def serve():
        while True:
            try:
                client, _ = relay.accept()
            except OSError:
                return
            server = socket.create_connection((host, int(port)))
            connections.append((client, server))
            threading.Thread(target=pump, args=(client, server, 10**9), daemon=True).start()
            threading.Thread(target=pump, args=(server, client, after), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{relay.getsockname()[1]}", connections
    finally:
        relay.shutdown(socket.SHUT_RDWR)
        relay.close()
        for pair_ in connections:
            for side in pair_:
                side.close()


@pytest.mark.parametrize("name", ["ndjson", "csv"])
def test_a_connection_that_breaks_again_and_again_costs_nothing(filled, tmp_path, name):
    file = tmp_path / f"e.{name}"
    with cutting(filled, 20_000) as (url, connections):
        result = run(filled, file, url=url)
    assert result.exit_code == 0, result.output
    assert len(connections) > 3
    assert file.read_bytes() == whole(filled, format=name)


def test_a_connection_that_always_breaks_before_a_record_is_given_up(filled, tmp_path):
    file = tmp_path / "e.ndjson"
    with cutting(filled, 300) as (url, _):
        result = CliRunner().invoke(export, [str(file), "--query", url, "--patience", "1"])
    assert result.exit_code == 2
    assert "broke off after 0 events. The same command goes on from there." in result.output
    assert not file.exists()
    assert (tmp_path / "e.ndjson.part").read_bytes() == b""


def test_a_refusal_is_told(filled):
    result = run(filled, "--from", "2026-03-02T00:00:00Z", "--to", "2026-03-01T00:00:00Z")
    assert result.exit_code == 2
    assert "later than `to`" in result.output
    assert run(filled, url=f"http://127.0.0.1:{free_port()}").exit_code == 2


@pytest.mark.parametrize(("kind", "name"), [(Records, "ndjson"), (CsvRecords, "csv")])
@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_records_are_whole_however_they_are_cut(filled, kind, name, size):
    body = whole(filled, format=name, limit=40)
    records = kind()
    records.begin()
    got = b""
    for start in range(0, len(body), size):
        got += records.take(body[start : start + size])
        if name == "csv" and got:
            list(csv.reader(got.decode().splitlines(keepends=True), strict=True))
    assert (got, records.count) == (body, 40)
    last = json.loads(whole(filled, limit=40).splitlines()[-1])
    assert records.after() == f"{last['timestamp']},{last['event_id']},{last['user_id']}"


def test_live_shows_what_is_stored(pair):
    command = [sys.executable, "-m", "tracker", "live", "--type", "buy", "--json", "--query", pair.query.url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while "query_live_clients 1.0" not in requests.get(f"{pair.query.url}/metrics", timeout=10).text:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        events = [{"user_id": "ann", "event_type": kind} for kind in ("view", "buy")]
        requests.post(f"{pair.collector.url}/events", json=events, timeout=10).raise_for_status()
        assert json.loads(process.stdout.readline())["event_type"] == "buy"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_server_sent_events_are_parsed():
    lines = b'retry: 2000\n\n: keep-alive\n\nid: 1\nevent: event\ndata: {"a": 1}\n\nevent: dropped\ndata: {"count":2}\n\n'.split(
        b"\n"
    )
    assert list(parse(lines)) == [("event", b'{"a": 1}'), ("dropped", b'{"count":2}')]
