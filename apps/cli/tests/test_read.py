"""`tracker events` and `tracker top-types` on a real query service."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
import requests
from click import Command
from click.testing import CliRunner, Result
from ports import free_port
from servers import Service

from event_tracker.cli.ask.read import ago, events, top_types
from event_tracker.cli.terminal import local_time, printable


@pytest.fixture
def collector(pair):
    return pair.collector


@pytest.fixture
def query(pair):
    return pair.query


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(number: int, user_id: str = "ann", event_type: str = "view", **more: Any) -> dict[str, Any]:
    when = (NOON + timedelta(seconds=number)).isoformat()
    return {
        "user_id": user_id,
        "event_type": event_type,
        "timestamp": when,
        "event_id": str(uuid.uuid4()),
        "properties": {"n": number},
        **more,
    }


def store(collector: Service, *sent: dict[str, Any]) -> None:
    answer = requests.post(f"{collector.url}/events", json=sent, timeout=30)
    assert answer.status_code == 200, answer.text


def run(command: Command, query: Service, *arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--query", query.url])


def numbers(lines: str) -> list[int]:
    return [json.loads(line)["properties"]["n"] for line in lines.splitlines()]


def test_events_are_shown_newest_first(collector, query):
    store(
        collector,
        *(event(n, session_id="s-1") for n in range(3)),
        event(5, event_type="buy"),
        event(6, user_id="bob"),
        event(7, event_type="\x1b[31m[red]", properties={"text": "x" * 500}),
    )
    shown = run(events, query, "ann")
    assert shown.exit_code == 0, shown.output
    header, *rows = shown.output.splitlines()
    assert header.split()[0] == "time"
    assert [row.split()[4 if "d" in row.split()[3] else 3] for row in rows[1:]] == ["buy", "view", "view", "view"]
    assert local_time(NOON + timedelta(seconds=5)) in rows[1]
    assert "s-1" in rows[2]
    assert '{"n": 2}' in rows[2]
    assert "�[31m[red]" in rows[0]
    assert "…" in rows[0]
    assert max(map(len, rows)) <= 200

    assert numbers(run(events, query, "ann", "--json", "--type", "buy", "--type", "view").stdout) == [5, 2, 1, 0]
    assert numbers(run(events, query, "ann", "--json", "--limit", 2, "--type", "view").stdout) == [2, 1]
    (line,) = run(events, query, "bob", "--json").stdout.splitlines()
    assert json.loads(line)["user_id"] == "bob"


def test_events_that_a_filter_selects(collector, query):
    store(collector, *(event(n, event_type="buy" if n == 3 else "view") for n in range(5)))
    assert numbers(run(events, query, "ann", "--json", "--filter", "property.n:gte:2").stdout) == [4, 3, 2]
    both = [
        "--filter",
        "property.n:gte:2",
        "--filter",
        '{"or": [{"field": "event_type", "operator": "is", "value": "buy"}]}',
    ]
    assert numbers(run(events, query, "ann", "--json", *both).stdout) == [3]
    none = run(events, query, "ann", "--filter", "property.n:gt:9")
    assert "No events with property.n:gt:9 of ann." in none.output
    wrong = run(events, query, "ann", "--filter", "property.n:gt:1", "--filter", "n:gt:1")
    assert wrong.exit_code == 2
    assert "filter.1.field: Must be event_type, user_id" in wrong.output


def test_more_events_than_a_page_holds(collector, query):
    for start in range(0, 2500, 500):
        store(collector, *(event(start + n) for n in range(500)))
    assert numbers(run(events, query, "ann", "--json", "--limit", 2300).stdout) == list(range(2499, 199, -1))


def test_top_types(collector, query):
    store(collector, *(event(n) for n in range(3)), event(3, event_type="[bold]"))
    shown = run(top_types, query)
    assert shown.exit_code == 0, shown.output
    _, first, second, total = shown.output.splitlines()
    assert first.split()[:3] == ["view", "3", "75.0%"]
    assert second.split()[:3] == ["[bold]", "1", "25.0%"]
    assert first.count("█") > 2 * second.count("█") > 0
    assert total == "4 events in all."

    between = run(
        top_types,
        query,
        "--from",
        NOON.isoformat(),
        "--to",
        (NOON + timedelta(seconds=2)).isoformat(),
        "--limit",
        1,
        "--json",
    )
    answer = json.loads(between.stdout)
    assert answer["items"] == [{"event_type": "view", "count": 2, "share": 1.0}]
    assert answer["total"] == 2


def test_some_sources_alone(pair, collector, query):
    store(collector, *(event(n) for n in range(3)), event(3, event_type="buy"))
    for table in ("events", "event_counts"):
        pair.owner.execute(f"update {table} set source = 'shop' where event_type = 'buy'".encode())
    assert numbers(run(events, query, "ann", "--json", "--source", "shop").stdout) == [3]
    assert numbers(run(events, query, "ann", "--json", "--source", "shop", "--source", "default").stdout) == [
        3,
        2,
        1,
        0,
    ]
    assert run(top_types, query, "--source", "default").output.endswith("3 events in all.\n")
    assert run(events, query, "ann", "--source", "x", "--source", "y").stderr.startswith(
        "No events from x or y of ann."
    )


def test_empty_answers_say_what_to_do_next(query):
    nobody = run(events, query, "nobody", "--type", "view")
    assert (nobody.exit_code, nobody.stdout) == (0, "")
    assert nobody.stderr == "No events of type view of nobody. `tracker simulate` sends some, and names users to try.\n"
    assert "No events. `tracker simulate` or `tracker send FILE`" in run(top_types, query).stderr
    assert "No events in this range of time." in run(top_types, query, "--from", NOON.isoformat()).stderr
    assert run(events, query, "nobody", "--json").stdout == ""


def test_what_the_service_refuses_is_told(query):
    refused = run(top_types, query, "--limit", 5000)
    assert refused.exit_code == 2
    assert "The query service answers 422" in refused.output
    assert "limit" in refused.output
    assert run(events, query, "x" * 201).exit_code == 2


@pytest.mark.parametrize(("command", "arguments"), [(events, ["ann"]), (top_types, []), (events, ["ann", "--follow"])])
def test_a_query_service_that_is_not_there(command, arguments):
    result = CliRunner().invoke(command, [*arguments, "--query", f"http://127.0.0.1:{free_port()}"])
    assert result.exit_code == 2
    assert result.output.startswith("Error: No query service answers at")


def test_a_time_that_is_none_is_a_usage_error():
    assert "isn't a time with an offset" in CliRunner().invoke(top_types, ["--from", "2026-03-01"]).output


@contextmanager
def following(query: Service, *arguments: object) -> Iterator[list[str]]:
    """Run `tracker events ann --follow`. Yields a list to which its lines are added as it prints them."""
    command = [
        sys.executable,
        "-m",
        "event_tracker.cli",
        "events",
        "ann",
        "--follow",
        "--query",
        query.url,
        *map(str, arguments),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    reader = Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")) if process.stdout else None)
    reader.start()
    try:
        yield lines
        process.send_signal(2)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        reader.join()
        process.communicate()


def wait_for(lines: list[str], number: int) -> None:
    deadline = time.monotonic() + 60
    while len(lines) < number and time.monotonic() < deadline:
        time.sleep(0.02)


def test_following_shows_each_new_event_once_late_ones_too(collector, query):
    store(collector, *(event(n) for n in range(0, 100, 10)), event(900, user_id="bob"))
    with following(query, "--json", "--limit", 3) as lines:
        wait_for(lines, 3)
        assert numbers("".join(lines)) == [70, 80, 90]
        store(collector, event(95), event(100), event(200, event_type="buy"))
        wait_for(lines, 6)
        store(collector, event(85), event(5), event(300), event(300))
        wait_for(lines, 10)
        ahead = (datetime.now(UTC) + timedelta(hours=20)).isoformat()
        store(collector, event(400, timestamp=ahead))
        wait_for(lines, 11)
        store(collector, event(500, timestamp=datetime.now(UTC).isoformat()))
        wait_for(lines, 12)
        time.sleep(1.5)
        assert numbers("".join(lines)) == [70, 80, 90, 95, 100, 200, 5, 85, 300, 300, 400, 500]


def test_following_shows_events_of_one_moment_in_the_order_of_their_arrival(collector, query):
    moment = datetime.now(UTC).isoformat()
    for n in (3, 1, 2):
        store(collector, event(n, timestamp=moment, event_id=f"{n}0000000-0000-4000-8000-000000000000"))
    with following(query, "--json") as lines:
        wait_for(lines, 3)
        assert numbers("".join(lines)) == [3, 1, 2]


def test_following_somebody_who_has_no_events_yet(collector, query):
    with following(query) as lines:
        time.sleep(1)
        store(collector, event(1, session_id="s-1"), event(2, event_type="buy", properties={"text": "y" * 500}))
        wait_for(lines, 2)
        assert lines[0].split() == [*local_time(NOON + timedelta(seconds=1)).split(), "view", "s-1", '{"n":', "1}"]
        assert "buy" in lines[1]
        assert len(lines[1]) <= 201


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (100_000, "1 d"), (-90, "in 1 min")]
)
def test_ago(seconds, text):
    assert ago(NOON - timedelta(seconds=seconds), NOON) == text


def test_printable_keeps_text_and_stops_what_steers_a_terminal():
    assert printable("é 你好 \x1b]0;x\x07\u202e\x9b") == "é 你好 �]0;x���"
