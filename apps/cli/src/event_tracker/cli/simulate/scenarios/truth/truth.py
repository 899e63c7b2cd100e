"""The truth about a plan: requests to the query service with the right answers."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from event_tracker.cli.simulate.scenarios.description import Life
from event_tracker.cli.simulate.scenarios.plan import Plan, PlannedVisit
from event_tracker.cli.simulate.scenarios.truth.check import Check, Truth
from event_tracker.cli.simulate.scenarios.truth.counts import (
    by_referrer,
    by_type,
    ids_of_users,
    per_day,
    top_properties,
    top_types,
    users_by_day,
    users_by_week,
)
from event_tracker.cli.simulate.scenarios.truth.one_user import events_of, one_user
from event_tracker.cli.simulate.scenarios.truth.sequences import (
    funnel,
    paths,
    retention_by_day,
    retention_by_week,
    sessions,
)
from event_tracker.cli.simulate.scenarios.truth.tally import Tally
from event_tracker.cli.simulate.scenarios.truth.web_truth import web_checks

MAX_PERIODS = 100


def make_truth(plan: Plan) -> Truth:
    """Make all facts and checks of a plan."""
    everybody = Tally(plan)
    return Truth(
        scenario=plan.scenario.name,
        seed=plan.seed,
        start=plan.midnights[0].isoformat(),
        end=plan.midnights[-1].isoformat(),
        tz=plan.scenario.zone,
        facts=_collect_facts(plan, everybody),
        checks=list(_make_checks(plan, everybody)),
    )


def _collect_facts(plan: Plan, everybody: Tally) -> dict[str, Any]:
    resent = sum(len(visit.script.steps) for visit in plan.visits if visit.resent_after is not None)
    people = Tally(plan, bots=False)
    return {
        "users": everybody.users,
        "signed_in": everybody.signed_in,
        "visits": len(plan.visits),
        "events": {
            "stored": everybody.events,
            "duplicates": resent,
            "sent": everybody.events + resent,
            "late": sum(len(visit.script.steps) for visit in plan.visits if visit.late_by),
        },
        "bots": {"users": everybody.users - people.users, "events": everybody.events - people.events},
        "lives": Counter(person.life.name for person in plan.everybody),
    }


def _make_checks(plan: Plan, everybody: Tally) -> Iterator[Check]:
    scenario = plan.scenario
    yield top_types(everybody)
    yield from per_day(everybody)
    yield from by_type(everybody)
    yield by_referrer(everybody)
    yield users_by_day(everybody)
    yield users_by_week(everybody)
    if everybody.signed_in:
        yield ids_of_users(everybody)
    yield sessions(everybody, "event_type")
    yield from top_properties(everybody)
    yield funnel(everybody)
    yield retention_by_week(plan)
    if len(plan.dates) <= MAX_PERIODS:
        yield retention_by_day(everybody)
    for direction in ("next", "previous"):
        for start in (None, scenario.paths_start):
            yield paths(everybody, start, direction)
    if scenario.paths_by != "event_type":
        yield sessions(everybody, scenario.paths_by)
    if scenario.has_bots:
        people = Tally(plan, bots=False)
        yield sessions(people, "event_type")
        yield funnel(people)
    if scenario.site:
        yield from web_checks(everybody)
    for visits in _one_user_of_each_life(plan):
        person = visits[0].person
        yield one_user(plan, visits, person.user_id, f"a user: {person.life.name}")
        if person.life.signs_in:
            yield one_user(plan, visits, person.anonymous_id, f"a user by the id before sign-in: {person.life.name}")
        yield events_of(visits)


def _one_user_of_each_life(plan: Plan) -> Iterable[list[PlannedVisit]]:
    """The visits of one user of each life, in order."""
    chosen = {person.life: person for person in plan.everybody}
    visits: dict[Life, list[PlannedVisit]] = {life: [] for life in chosen}
    for visit in plan.visits:
        if visit.person is chosen[visit.person.life]:
            visits[visit.person.life].append(visit)
    return visits.values()


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary file to write. If no error occurs, it is renamed to `path` at the end.

    Raises:
        OSError: at once, if the folder isn't writable.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    written = Path(name)
    try:
        with open(descriptor, "wb"):
            pass
        written.chmod(0o644)
        yield written
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def write_truth(truth: Truth, path: Path) -> None:
    """Write the truth as indented JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1) + b"\n")
