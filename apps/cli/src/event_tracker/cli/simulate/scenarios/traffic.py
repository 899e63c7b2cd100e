"""The events of a plan in the order of their arrival: late ones after their time, and some twice."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from event_tracker.cli.ingest.delivery import MAX_EVENTS
from event_tracker.cli.simulate.scenarios.description import SIGN_IN, Scenario, Step
from event_tracker.cli.simulate.scenarios.plan import Person, Plan, PlannedVisit
from event_tracker.cli.simulate.scenarios.site import PAGE_VIEW
from event_tracker.cli.simulate.timeline import Event, event_id


def arriving_batches(plan: Plan) -> Iterator[list[Event]]:
    """Yield batches of all events of the plan. Those of resent visits come a second time, with the same bytes."""
    batch: list[Event] = []
    for visit in _arrivals(plan):
        batch += _events(plan.scenario, visit)
        if len(batch) >= MAX_EVENTS:
            yield batch[:MAX_EVENTS]
            batch = batch[MAX_EVENTS:]
    if batch:
        yield batch


def _arrivals(plan: Plan) -> Iterator[PlannedVisit]:
    arrivals = []
    for number, visit in enumerate(plan.visits):
        arrival = visit.start + visit.late_by
        arrivals.append((arrival, number))
        if visit.resent_after is not None:
            arrivals.append((arrival + visit.resent_after, number))
    arrivals.sort()
    return (plan.visits[number] for _, number in arrivals)


def _events(scenario: Scenario, visit: PlannedVisit) -> Iterator[Event]:
    person, script = visit.person, visit.script
    session = {"session_id": f"{visit.chance:016x}"} if script.session_id else {}
    arrived = _arrival(scenario, person) if visit.day == person.first_day else {}
    for number, (step, after) in enumerate(zip(script.steps, script.moments[person.pace], strict=True)):
        milliseconds = visit.start + after
        body = {
            "user_id": person.id_at(visit.day, number),
            "event_type": step.event_type,
            "timestamp": datetime.fromtimestamp(milliseconds / 1000, UTC),
            "event_id": event_id(milliseconds, visit.chance << 10 | number),
            **session,
            "properties": {
                **person.everywhere,
                **arrived,
                **site_properties(scenario, visit, step),
                **step.properties,
                **_trait_properties(scenario, person, step.traits),
                **({"anonymous_id": person.anonymous_id} if step.event_type == SIGN_IN else {}),
            },
        }
        yield Event(person.user_id, step.event_type, msgspec.json.encode(body))
        arrived = {}


def _arrival(scenario: Scenario, person: Person) -> dict[str, Any]:
    return scenario.on_arrival.properties(person.traits[scenario.on_arrival.name])


def site_properties(scenario: Scenario, visit: PlannedVisit, step: Step) -> dict[str, Any]:
    """What a page view has besides, if the scenario is a web site."""
    site, person = scenario.site, visit.person
    if site is None or step.event_type != PAGE_VIEW:
        return {}
    is_first = visit.day == person.first_day
    return {
        **site.of_visit(person.traits, visit.chance % 100, is_first=is_first),
        **site.of_page(str(step.properties["page"])),
    }


def _trait_properties(scenario: Scenario, person: Person, names: tuple[str, ...]) -> dict[str, Any]:
    if not names:
        return {}
    properties: dict[str, Any] = {}
    for trait in scenario.sometimes:
        if trait.name in names:
            properties |= trait.properties(person.traits[trait.name])
    return properties
