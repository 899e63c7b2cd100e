"""Scenarios: their events match their descriptions. The tests compute this from the events only."""

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from event_tracker.cli.simulate.scenarios import SCENARIOS
from event_tracker.cli.simulate.scenarios.description import LONGEST_PAUSE_SECONDS, PACES, Scenario
from event_tracker.cli.simulate.scenarios.plan import (
    LATE_PERCENT,
    LEAST_DAYS,
    RESENT_PERCENT,
    deal,
    make_plan,
    mean_events,
)
from event_tracker.cli.simulate.scenarios.traffic import arriving_batches
from event_tracker.cli.simulate.scenarios.truth.sequences import percentile
from event_tracker.cli.simulate.scenarios.truth.tally import Tally
from event_tracker.cli.simulate.scenarios.truth.truth import make_truth

END = datetime(2026, 11, 18, 15, tzinfo=UTC)
"""A Wednesday, so the first and the last week are incomplete. Both zones with a clock change have it in the 28 days before."""

GAP = timedelta(minutes=30)


class Read:
    """The events of a scenario, as they were sent."""

    def __init__(
        self, scenario: Scenario, seed: int = 1, users: int = 700, days: int = 28, end: datetime = END
    ) -> None:
        self.plan = make_plan(scenario, seed, users, days, end)
        self.sent = [event.json for batch in arriving_batches(self.plan) for event in batch]
        self.by_user = defaultdict(list)
        events = [json.loads(line) for line in dict.fromkeys(self.sent)]
        signed_in = [event for event in events if event["event_type"] == "identify"]
        self.ids = {event["properties"]["anonymous_id"]: event["user_id"] for event in signed_in}
        for event in events:
            event["time"] = datetime.fromisoformat(event["timestamp"]).astimezone(ZoneInfo(scenario.zone))
            self.by_user[self.ids.get(event["user_id"], event["user_id"])].append(event)
        for events in self.by_user.values():
            events.sort(key=lambda event: event["time"])


@pytest.fixture(scope="module", params=SCENARIOS.values(), ids=SCENARIOS)
def read(request) -> Read:
    return Read(request.param)


def reached(scenario: Scenario, events: list) -> int:
    """The last step of the funnel that a user reaches: the best result from all first steps, within the window."""
    best = 0
    for place, first in enumerate(events):
        step = 0
        for event in events[place:]:
            event_type, properties = scenario.funnel[step]
            inside = event["time"] - first["time"] <= timedelta(seconds=scenario.window)
            if inside and event["event_type"] == event_type and properties.items() <= event["properties"].items():
                step += 1
                best = max(best, step)
                if step == len(scenario.funnel):
                    return best
            elif not step:
                break
    return best


def test_every_user_gets_as_far_in_the_funnel_as_the_life_says(read):
    lives = {person.user_id: person.life for person in read.plan.everybody}
    assert lives.keys() == read.by_user.keys()
    for user, life in lives.items():
        assert reached(read.plan.scenario, read.by_user[user]) == life.reaches, life.name


def test_part_of_the_shops_users_begin_before_they_sign_in():
    read = Read(SCENARIOS["shop"])
    said = make_truth(read.plan).facts
    assert len(read.ids) == len(set(read.ids.values())) == said["signed_in"]
    assert 0.15 < len(read.ids) / len(read.by_user) < 0.25
    assert said["users"] == len(read.by_user)
    by_id = {person.user_id: person for person in read.plan.everybody}
    for user in read.ids.values():
        # All events before the sign-in have the other id, and there are some; all after it have the user's.
        ids = [event["user_id"] == user for event in read.by_user[user]]
        (place,) = [place for place, event in enumerate(read.by_user[user]) if event["event_type"] == "identify"]
        assert ids == [False] * place + [True] * (len(ids) - place)
        assert place
        # The funnel leads through the sign-in: neither id alone gets as far.
        life = by_id[user].life
        alone = [[e for e in read.by_user[user] if (e["user_id"] == user) is known] for known in (False, True)]
        if life.name in ("begins to pay", "buys", "pays the next day"):
            assert max(reached(read.plan.scenario, events) for events in alone) < life.reaches


def test_whoever_completes_a_step_waited_for_it_once(read):
    tally = Tally(read.plan)
    goals = range(2, len(read.plan.scenario.funnel) + 1)
    assert [len(tally.waits[goal]) for goal in goals] == [tally.reaching(goal) for goal in goals]


def test_each_life_is_lived_by_its_per_cent_of_users_rounded_down(read):
    lives = Counter(person.life for person in read.plan.everybody)
    first, *others = read.plan.scenario.lives
    assert {life: lives[life] for life in others} == {life: 700 * life.percent // 100 for life in others}
    assert lives[first] == 700 - sum(lives[life] for life in others)


@pytest.mark.parametrize("weekday", range(7))
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_as_many_of_each_week_come_back_as_the_curve_says(scenario, weekday):
    end = END - timedelta(days=weekday)
    read = Read(scenario, days=28 + weekday, end=end)
    # The last week has the days before that of the end; on a Monday it is a whole one.
    days_of_last_week = end.astimezone(ZoneInfo(scenario.zone)).weekday() or 7
    came = defaultdict(set)
    for user, events in read.by_user.items():
        first = events[0]["time"].date().isocalendar()[:2]
        for event in events:
            came[first, event["time"].date().isocalendar()[:2]].add(user)
    weeks = sorted({week for _, week in came} | {week for week, _ in came})
    for place, first in enumerate(weeks):
        cohort = len(came[first, first])
        curve = [100, *scenario.curve][: len(weeks) - place]
        counts = [len(came[first, week]) for week in weeks[place : place + len(curve)]]
        expected = [cohort * percent // 100 for percent in curve]
        if len(curve) > 1 and place + len(curve) == len(weeks):
            expected[-1] = cohort * curve[-1] * days_of_last_week // 700
        assert counts == expected
        assert counts == list(read.plan.retained[place])[: len(curve)]


def test_no_pause_is_near_the_gap_and_some_are_on_either_side(read):
    pauses = [
        after["time"] - before["time"]
        for events in read.by_user.values()
        for before, after in pairwise([event for event in events if "session_id" not in event])
    ]
    near = [pause for pause in pauses if abs(pause - GAP) < timedelta(minutes=1)]
    assert not near
    assert min(pauses) < GAP < max(pauses)


def test_without_ids_one_visit_is_two_sessions_by_the_gap_alone():
    """A break ends a session without an id. The same visit with an id is one session, however long it is."""
    read = Read(SCENARIOS["shop"])
    sessions = {}
    for person in read.plan.everybody:
        if "session" in person.life.name:
            visit = [event for event in read.by_user[person.user_id] if event["time"].date() == day_of(read, person)]
            pauses = [after["time"] - before["time"] for before, after in pairwise(visit)]
            by_gap = 1 + sum(pause > GAP for pause in pauses)
            ids = {event.get("session_id") for event in visit}
            sessions.setdefault(person.life.name, set()).add((by_gap, None in ids, len(ids)))
    assert sessions == {
        "looks again after lunch, one session": {(2, False, 1)},
        "the same, two sessions": {(2, True, 1)},
    }


def day_of(read: Read, person) -> date:
    return read.plan.dates[person.first_day]


def test_a_users_visits_are_on_different_days_and_inside_of_them(read):
    for events in read.by_user.values():
        assert all(read.plan.midnights[0] <= event["time"] < read.plan.midnights[-1] for event in events)
        assert all(6 <= event["time"].hour < 23 for event in events)
        assert len(set(map(identity, events))) == len(events)


def identity(event) -> tuple[str, datetime, str]:
    return event["user_id"], event["time"], event["event_id"]


def test_traits_are_mixed_over_lives(read):
    trait = read.plan.scenario.everywhere[0]
    found = defaultdict(list)
    for person in read.plan.everybody:
        found[person.life].append(person.traits[trait.name])
    for life, values in found.items():
        assert len(values) < 30 or len(set(values)) > 1, life.name
    dealt = Counter(value for values in found.values() for value in values)
    assert dealt == Counter(deal(trait.percents, 700))


def test_late_and_resent_events_are_as_many_as_was_said(read):
    said = make_truth(read.plan).facts["events"]
    assert len(read.sent) == said["sent"]
    assert len(set(read.sent)) == said["stored"] == sum(map(len, read.by_user.values()))
    assert said["duplicates"] == said["sent"] - said["stored"] > 0
    visits = read.plan.visits
    assert sum(visit.late_by > 0 for visit in visits) == len(visits) * LATE_PERCENT // 100
    assert sum(visit.resent_after is not None for visit in visits) == len(visits) * RESENT_PERCENT // 100
    late = sum(len(visit.script.steps) for visit in visits if visit.late_by)
    assert said["late"] == late
    newest, out_of_order = read.plan.midnights[0], 0
    for line in dict.fromkeys(read.sent):
        time = datetime.fromisoformat(json.loads(line)["timestamp"])
        out_of_order += newest - time > timedelta(hours=2)  # a visit with two breaks takes nearly as long
        newest = max(newest, time)
    assert late / 2 < out_of_order <= late


def test_bots_say_so_and_are_as_many_as_was_said(read):
    said = make_truth(read.plan).facts["bots"]
    events = [event for events in read.by_user.values() for event in events]
    bots = [event for event in events if event["properties"].get("bot")]
    assert {"users": len({event["user_id"] for event in bots}), "events": len(bots)} == said
    if said["users"]:
        assert all(isinstance(event["properties"]["bot"], bool) for event in events)


def test_the_same_seed_and_end_make_the_same_bytes_and_any_other_other_users():
    saas = SCENARIOS["saas"]
    first = Read(saas, users=100)
    assert Read(saas, users=100).sent == first.sent
    for other in ({"seed": 2}, {"users": 101}, {"days": 27}, {"end": END + timedelta(days=1)}):
        assert Read(saas, **{"users": 100, **other}).by_user.keys().isdisjoint(first.by_user)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize("users", [1, 2, 99])
def test_a_few_users_in_the_fewest_days_are_enough(scenario, users):
    read = Read(scenario, users=users, days=LEAST_DAYS)
    assert len(read.by_user) == users
    assert make_truth(read.plan).checks


def test_events_by_the_number_of_users_are_about_as_many(read):
    stored = sum(map(len, read.by_user.values()))
    assert mean_events(read.plan.scenario, 28, END) * 700 == pytest.approx(stored, rel=0.05)


def test_a_deal_rounds_down_and_gives_what_is_left_to_the_first():
    assert deal({"a": 34, "b": 33, "c": 33}, 10) == {"a": 4, "b": 3, "c": 3}
    assert deal({"a": 10, "b": 29}, 100) == {"a": 71, "b": 29}


@pytest.mark.parametrize(("share", "between"), [(0, 10), (0.5, 30), (0.9, 46), (1, 50)])
def test_a_percentile_lies_between_two_values_in_proportion(share, between):
    assert percentile([10, 20, 30, 40, 50], share) == pytest.approx(between)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_description_keeps_to_its_own_rules(scenario):
    assert sum(life.percent for life in scenario.lives) == 100
    for trait in (*scenario.everywhere, scenario.on_arrival, *scenario.sometimes):
        assert sum(trait.percents.values()) == 100
    assert LONGEST_PAUSE_SECONDS * max(PACES) / 100 < GAP.total_seconds() - 60
    for life in scenario.lives:
        assert life.span <= 6
        assert min(life.visits) == 0
        for script in (*life.visits.values(), *life.returns):
            assert all(step.after <= LONGEST_PAUSE_SECONDS for step in script.steps)
