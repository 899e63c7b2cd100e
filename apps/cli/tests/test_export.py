"""`tracker export` and `tracker live` on a real query service."""

import csv
import itertools
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
from ports import free_port

from event_tracker.cli.ask.export import export
from event_tracker.cli.ask.export_records import HEAD, CsvRecords, Records
from event_tracker.cli.ask.live import parse

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
    return CliRunner().invoke(export, [*map(str, arguments), "--query", url or service.url, "--patience", "60"])


def give_up(file, url):
    """Run an export that fails, with enough patience for a second attempt on a busy machine."""
    return CliRunner().invoke(export, [str(file), "--query", url, "--patience", "3"])


def test_a_parquet_file_is_told_by_its_rows_and_bytes(filled, tmp_path):
    file = tmp_path / "e.parquet"
    result = run(filled, file, "--limit", 2500)
    assert result.exit_code == 0, result.output
    assert f"2,500 events, {file.stat().st_size:,} bytes, " in result.output
    assert pyarrow.parquet.read_metadata(file).num_rows == 2500


def test_a_collectors_url_is_told_from_a_query_services(pair, tmp_path):
    result = run(pair.query, tmp_path / "e.csv", url=pair.collector.url)
    assert result.exit_code == 2
    said = f"What answers at {pair.collector.url} is the collector: name the query service by --query or QUERY_URL."
    assert said in result.output


@pytest.mark.parametrize("name", ["ndjson", "csv"])
def test_a_file_is_what_the_service_streams(filled, tmp_path, name):
    file = tmp_path / f"e.{name}"
    result = run(filled, file)
    assert result.exit_code == 0, result.output
    assert f"3,000 events, {file.stat().st_size:,} bytes" in result.output
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
    some = run(filled, "--filter", "property.n:one_of:7,8,9.0", "--filter", "property.n:lt:9")
    assert [json.loads(line)["properties"]["n"] for line in some.stdout.splitlines()] == [8, 7]
    assert run(filled, "--source", "nowhere").stdout == ""
    assert run(filled, "--source", "nowhere", "--source", "default").stdout == run(filled).stdout


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


class Cut:
    """One connection through a relay that closes it after so many bytes of the answer to an export."""

    def __init__(self, client, server, after):
        self.sides, self.left, self.asked = (client, server), after, False
        for pump in (self.ask, self.answer):
            threading.Thread(target=pump, daemon=True).start()

    def ask(self):
        client, server = self.sides
        with suppress(OSError):
            while part := client.recv(65536):
                self.asked = self.asked or b"/events/export" in part
                server.sendall(part)
        self.hang_up()

    def answer(self):
        client, server = self.sides
        with suppress(OSError):
            while self.left and (part := server.recv(65536)):
                if self.asked:
                    part = part[: self.left]
                    self.left -= len(part)
                client.sendall(part)
        self.hang_up()

    def hang_up(self):
        for side in self.sides:
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting(service, after):
    """A relay to the service that closes the connection after so many bytes of each export. Yields its URL and the connections."""
    host, port = service.url.removeprefix("http://").split(":")
    relay = socket.create_server(("127.0.0.1", 0))
    connections = []

    def serve():
        while True:
            try:
                client, _ = relay.accept()
            except OSError:
                return
            connections.append(Cut(client, socket.create_connection((host, int(port))), after))

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{relay.getsockname()[1]}", connections
    finally:
        relay.shutdown(socket.SHUT_RDWR)
        serving.join()  # it may just have accepted one more connection
        relay.close()
        for cut in connections:
            for side in cut.sides:
                side.close()


def head(service, name):
    """The status line and headers of an export, as raw bytes."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answer:
        connection.sendall(f"GET /events/export?format={name} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        lines = list(itertools.takewhile(lambda line: line not in (b"", b"\r\n"), answer))
        assert lines, f"closed without an answer:\n{service.log.read_text()}"
        return b"".join(lines).decode() + "\r\n"


@pytest.mark.parametrize("name", ["ndjson", "csv"])
def test_a_connection_that_breaks_again_and_again_costs_nothing(filled, tmp_path, name):
    file = tmp_path / f"e.{name}"
    with cutting(filled, 20_000) as (url, connections):
        result = run(filled, file, url=url)
    assert result.exit_code == 0, result.output
    assert len(connections) > 3
    assert file.read_bytes() == whole(filled, format=name)


@pytest.mark.parametrize("name", ["ndjson", "csv", "parquet"])
@pytest.mark.parametrize("said", ["HTTP/1.1 200", "Connection: ", "Transfer-Encoding: chu", "Transfer-Encoding: chunked\r\n", "X-Request-ID: "])  # fmt: skip
def test_an_export_that_always_breaks_off_in_its_head_is_given_up(filled, tmp_path, name, said):
    """It must not be treated as an export without events: requests takes the end of the connection for the end of the head."""
    file, part = tmp_path / f"e.{name}", tmp_path / f"e.{name}.part"
    with cutting(filled, head(filled, name).index(said) + len(said)) as (url, connections):
        result = give_up(file, url)
    assert result.exit_code == 2
    assert len(connections) > 1 or name == "parquet"
    assert not file.exists()
    assert part.read_bytes() == b""
    if name != "parquet":
        assert "broke off after 0 events. The same command goes on from there." in result.output


@pytest.mark.parametrize("name", ["ndjson", "csv"])
def test_a_connection_that_always_breaks_before_a_record_is_given_up(filled, tmp_path, name):
    file = tmp_path / f"e.{name}"
    with cutting(filled, len(head(filled, name)) + 100) as (url, connections):
        result = give_up(file, url)
    assert result.exit_code == 2
    assert len(connections) > 1
    assert "broke off after 0 events. The same command goes on from there." in result.output
    assert not file.exists()
    assert (tmp_path / f"e.{name}.part").read_bytes() == b""


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
    command = [
        sys.executable,
        "-m",
        "event_tracker.cli",
        "live",
        "--type",
        "buy",
        "--filter",
        "property.n:gt:1",
        "--json",
        "--query",
        pair.query.url,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while "query_live_clients 1.0" not in requests.get(f"{pair.query.url}/metrics", timeout=30).text:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        events = [
            {"user_id": "ann", "event_type": kind, "properties": {"n": n}}
            for n, kind in enumerate(["buy", "view", "view", "buy"])
        ]
        requests.post(f"{pair.collector.url}/events", json=events, timeout=30).raise_for_status()
        assert json.loads(process.stdout.readline())["properties"] == {"n": 3}
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_server_sent_events_are_parsed():
    lines = b'retry: 2000\n\n: keep-alive\n\nid: 1\nevent: event\ndata: {"a": 1}\n\nevent: dropped\ndata: {"count":2}\n\n'.split(
        b"\n"
    )
    assert list(parse(lines)) == [("event", b'{"a": 1}'), ("dropped", b'{"count":2}')]
