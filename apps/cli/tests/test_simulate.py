"""`tracker simulate`: the events that it makes, and their delivery."""

import json
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ports import free_port

from event_tracker.cli.simulate import timeline
from event_tracker.cli.simulate.fake_users import LEAVE, NEXT, FakeShop
from event_tracker.cli.simulate.scenarios import SCENARIOS
from event_tracker.cli.simulate.scenarios.plan import make_plan
from event_tracker.cli.simulate.scenarios.traffic import arriving_batches
from event_tracker.cli.simulate.simulate import simulate
from event_tracker.cli.simulate.timeline import history, trickle

END = datetime(2026, 3, 8, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def invented(seed: int = 1, users: int = 1000, events: int = 20_000, days: float = 7) -> list[dict[str, Any]]:
    return [json.loads(event.json) for batch in history(FakeShop(seed, users), events, days, END) for event in batch]


@pytest.fixture(scope="module")
def week() -> list[dict[str, Any]]:
    return invented()


def test_the_same_seed_invents_the_same_events(week):
    assert invented() == week


@pytest.mark.parametrize("other", [{"seed": 2}, {"users": 1001}])
def test_another_seed_or_another_number_of_users_invents_others(week, other):
    assert {event["event_id"] for event in invented(**other)}.isdisjoint(event["event_id"] for event in week)


@pytest.mark.parametrize(("events", "days", "users"), [(1, 0.01, 1), (999, 0.5, 2), (1001, 400, 200_000)])
def test_there_are_as_many_as_asked_for_within_the_days(events, days, users):
    made = invented(events=events, days=days, users=users)
    assert len({event["event_id"] for event in made}) == events
    times = [datetime.fromisoformat(event["timestamp"]) for event in made]
    assert all(END - timedelta(days=days) <= time < END for time in times)


def test_they_are_spread_over_all_days_and_busier_by_day_than_at_night(week):
    times = [datetime.fromisoformat(event["timestamp"]) for event in week]
    by_day = Counter((END - time).days for time in times)
    assert min(by_day[day] for day in range(7)) > 20_000 / 7 / 2
    by_hour = Counter(time.hour for time in times)
    assert by_hour[20] > 3 * by_hour[3]


def test_sessions_have_a_plausible_order(week):
    sessions = defaultdict(list)
    for event in week:
        sessions[event["user_id"], event["session_id"]].append(event)
    assert len(sessions) > 2000
    assert len({session for _, session in sessions}) == len(sessions)
    for events in sessions.values():
        types = [event["event_type"] for event in events]
        assert types[0] == "page_view"
        assert all(after in NEXT[before] for before, after in pairwise(types))
        times = [datetime.fromisoformat(event["timestamp"]) for event in events]
        assert times == sorted(times)
        assert len({(event["properties"]["device"], event["properties"]["country"]) for event in events}) == 1
        bought = [event["properties"]["product"] for event in events if event["event_type"] == "purchase"]
        carried = [event["properties"]["product"] for event in events if event["event_type"] == "add_to_cart"]
        assert set(bought) <= set(carried)


def test_all_types_occur_and_the_table_leads_on(week):
    assert {event["event_type"] for event in week} == set(NEXT)
    assert {following for steps in NEXT.values() for following in steps} - {LEAVE} == set(NEXT) - set()


def test_people_are_those_of_the_scenario_shop(week):
    """The demo has weeks of the scenario, and then these: no country, source or device may vanish or appear."""
    plan = make_plan(SCENARIOS["shop"], 1, 3000, 28, END)
    weeks = [json.loads(event.json) for batch in arriving_batches(plan) for event in batch]
    for name in ("$country", "$city", "$browser", "$os", "$device_type", "device", "country", "referrer"):
        assert values(week, name) == values(weeks, name), name
    for name in ("host", "$source", "$channel", "utm_campaign", "page", "title"):
        found = values([event for event in week if event["event_type"] == "page_view"], name)
        assert found == values([event for event in weeks if event["event_type"] == "page_view"], name), name


def values(events: list[dict[str, Any]], name: str) -> set[Any]:
    return {event["properties"].get(name) for event in events}


def test_few_users_are_very_active(week):
    counts = sorted(Counter(event["user_id"] for event in week).values(), reverse=True)
    assert sum(counts[:10]) > sum(counts[10:]) / 3
    assert len(counts) > 400


def test_some_events_come_late(week):
    newest, late = END - WEEK, 0
    for event in week:
        time = datetime.fromisoformat(event["timestamp"])
        late += time < newest - timedelta(minutes=30)
        newest = max(newest, time)
    assert 0.005 < late / len(week) < 0.1


class Clock:
    """A replacement for the module `time`. Time passes only by `sleep`, so that a busy machine makes no difference."""

    def __init__(self) -> None:
        self.began, self.passed = time.time(), 0.0

    def sleep(self, seconds: float) -> None:
        self.passed += seconds + 0.0001  # a real one takes a little longer, too

    def monotonic(self) -> float:
        return self.passed

    def time(self) -> float:
        return self.began + self.passed


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timeline, "time", clock)
    return clock


def test_a_trickle_keeps_its_rate_and_happens_now(clock):
    batches = list(trickle(FakeShop(1, 20), 200, 0.5))
    events = [json.loads(event.json) for batch in batches for event in batch]
    assert 99 <= len(events) <= 101
    assert len(batches) > 90
    now = datetime.fromtimestamp(clock.time(), UTC)
    ages = [now - datetime.fromisoformat(event["timestamp"]) for event in events]
    assert sum(age < timedelta(seconds=5) for age in ages) > 0.7 * len(ages)


def test_a_trickle_catches_up_with_what_took_long(clock):
    batches = trickle(FakeShop(1, 20), 200, 0.5)
    assert len(next(batches)) == 1
    clock.sleep(0.3)
    assert len(next(batches)) == 60


def test_nothing_of_a_trickle_happened_before_it_began(clock):
    """Otherwise the past weeks of `tracker up --demo` would get events that aren't in its truth."""
    events = [json.loads(event.json) for batch in trickle(FakeShop(1, 500), 2, 3600) for event in batch]
    times = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in events]
    assert min(times) >= int(clock.began * 1000) / 1000
    assert sum(before - after > 600 for before, after in pairwise(times)) > 10


def sessions_of_a_trickle() -> set[str]:
    batches = trickle(FakeShop(1, 20), 200, 0.2)
    return {json.loads(event.json)["session_id"] for batch in batches for event in batch}


def test_two_trickles_share_no_session(clock):
    first = sessions_of_a_trickle()
    clock.sleep(1)
    assert first.isdisjoint(sessions_of_a_trickle())


def test_nobody_is_in_the_shop_twice_at_once(clock):
    users = [event.user_id for batch in trickle(FakeShop(1, 2), 500, 0.2) for event in batch]
    assert len(users) > 50


def run(*arguments: object) -> Result:
    return CliRunner().invoke(simulate, list(map(str, arguments)))


def test_a_second_run_with_the_same_end_is_all_duplicates(pair):
    arguments = (
        "--events",
        3000,
        "--users",
        200_000,
        "--seed",
        7,
        "--end",
        END.isoformat(),
        "--collector",
        pair.collector.url,
    )
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    assert ": 3,000 stored, 0 duplicates." in first.output
    assert ": 0 stored, 3,000 duplicates." in run(*arguments).output
    ((stored, users),) = pair.owner.execute("select count(*), count(distinct user_id) from events").fetchall()
    assert stored == 3000
    assert f"3,000 events of {users:,} users" in first.output
    ((event_type, count),) = pair.owner.execute(
        "select event_type, sum(count) from event_counts group by 1 order by 2 desc limit 1"
    ).fetchall()
    assert f"  {event_type:<14}{count:>12,}" in first.output
    ((most_active,),) = pair.owner.execute(
        "select user_id from events group by 1 order by count(*) desc limit 1"
    ).fetchall()
    assert f"  tracker events {most_active}\n" in first.output

    live = run("--duration", 2, "--rate", 100, "--collector", pair.collector.url)
    assert live.exit_code == 0, live.output
    ((now_stored,),) = pair.owner.execute("select count(*) from events").fetchall()
    assert 3000 < now_stored <= 3201  # at the rate, or behind it


def test_live_and_past_do_not_mix():
    for mixed in (
        ("--events", 10, "--rate", 1),
        ("--duration", 1, "--end", END.isoformat()),
        ("--rate", 1, "--scenario", "shop"),
    ):
        result = run(*mixed)
        assert result.exit_code == 2
        assert "--rate and --duration are live" in result.output


def test_a_collector_that_is_not_there():
    result = run("--collector", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 2
    assert result.output.startswith("Error: No collector answers at")


def test_what_the_collector_refuses_is_told(pair):
    result = run("--events", 10, "--end", "2999-01-01T00:00:00Z", "--collector", pair.collector.url)
    assert result.exit_code == 2
    assert "The collector refused an event: " in result.output
    assert "more than 24 h ahead" in result.output
