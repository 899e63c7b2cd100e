"""POST /stats/funnel: who takes these steps in this order."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple

import msgspec
from marshmallow import fields, validate

from event_tracker.core.http.openapi import COMPONENT
from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.answers import TEXT
from event_tracker.query.auth.calls import Call, SourcesSchema
from event_tracker.query.filters.behaviour_schema import BehaviourFilterSchema
from event_tracker.query.filters.grammar import Filter, Properties, with_properties
from event_tracker.query.filters.schema import FilterMember
from event_tracker.query.identity import identity_field
from event_tracker.query.parameter_types import MAX_VALUES, REQUIRED, AtMost, Between, Length, ShortList, text_field
from event_tracker.query.parameters import ParameterSchema
from event_tracker.query.request_body import read_json, receive_body
from event_tracker.query.stats.answers import (
    Count,
    RangeAnswer,
    Seconds,
    Share,
    UsersRangeAnswer,
    share,
    users_range_members,
)
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement, match, select_events
from event_tracker.query.stats.columns.visits import SECOND
from event_tracker.query.stats.parameter_types import MOMENT
from event_tracker.query.stats.parameters import (
    end_field,
    explain_field,
    resolve_range,
    start_field,
    zone_field,
)
from event_tracker.query.stats.query_types import RangeQuery

PARTS = load_queries("event_tracker.query.stats.questions", "funnel.sql")


class ExplainSchema(SourcesSchema):
    """Query parameters of POST /stats/funnel."""

    explain = explain_field()
    identity = identity_field()


class StepSchema(ParameterSchema):
    """One step of a funnel: events of a type, with these properties, which a filter selects."""

    event_type = fields.String(required=True, validate=Length(1, 100), error_messages=REQUIRED)
    properties = fields.Dict(
        keys=text_field(1, 200), values=text_field(0, 4000), load_default=dict, validate=AtMost(max=MAX_VALUES)
    )
    filter = FilterMember("Only events that it selects are this step.", required=False, schema=BehaviourFilterSchema)


class FunnelSchema(ParameterSchema):
    """The body of POST /stats/funnel."""

    start = start_field()
    end = end_field()
    zone = zone_field()
    window = Between(1, 31_536_000, 7 * 86_400, "Seconds from a first step within which the last must come.")
    steps = ShortList(
        fields.Nested(StepSchema), required=True, validate=validate.Length(2, 10), error_messages=REQUIRED
    )
    filter = FilterMember("Only events that it selects, of all steps.", required=False, schema=BehaviourFilterSchema)


def funnel(stats: Stats, call: Call) -> RangeAnswer:
    query = read_funnel(call, receive_body(), datetime.now(UTC), stats.explain)
    return stats.asker.ask(query, call)


def read_funnel(call: Call, body: bytes, now: datetime, allow_explain: bool) -> "FunnelQuery":
    """Read the query from a JSON body and the query string."""
    beside = call.query()
    given = resolve_range(call, {**read_json(FunnelSchema(), body), **beside}, now, allow_explain)
    steps = tuple(
        Step(step["event_type"], tuple(sorted(step["properties"].items())), step.get("filter"))
        for step in given["steps"]
    )
    bounds = {name: given[name] for name in ("sources", "start", "end", "zone", "explain", "identity", "filter")}
    return FunnelQuery(**bounds, window=given["window"], steps=steps)


class Step(NamedTuple):
    """What completes a step: events of a type with these properties, which the filter selects (None selects all)."""

    event_type: str
    properties: Properties
    filter: Filter | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelQuery(RangeQuery):
    """Users who take these steps in this order within `window` seconds, by the events that the filter selects (None selects all)."""

    name: ClassVar = "funnel"
    counts_users: ClassVar = True
    first_seen: ClassVar = None

    window: int
    steps: tuple[Step, ...]
    filter: Filter | None

    def build_statement(self) -> Statement:
        parameters = Parameters(window=self.window * SECOND)
        numbers = range(1, len(self.steps) + 1)
        event_types = tuple(sorted({step.event_type for step in self.steps}))
        matches = [
            " and ".join(match((step.event_type,), with_properties(step.properties, step.filter), parameters))
            for step in self.steps
        ]
        levels = [PARTS["first_level"], *(PARTS["level"].format(step=step, below=step - 1) for step in numbers[1:])]
        statement = PARTS["funnel"].format(
            selected=select_events(match(event_types, self.filter, parameters), parameters),
            matches=", ".join(
                PARTS["match"].format(condition=condition, step=step)
                for step, condition in zip(numbers, matches, strict=True)
            ),
            levels=",\n".join(levels),
            answers=" union all ".join(PARTS["answer"].format(step=step) for step in numbers),
        )
        return Statement(statement, parameters)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "FunnelAnswer":
        """Build from rows (step from 1, users, median microseconds), in the order of the steps."""
        reached = [users for _, users, _ in rows]
        steps = [
            FunnelStep(
                event_type=step.event_type,
                properties=dict(step.properties),
                users=users,
                conversion=share(users, reached[0]),
                step_conversion=share(users, before) if number else None,
                dropped=before - users,
                median_seconds=None if median is None else median / SECOND,
            )
            for number, (step, before, (_, users, median)) in enumerate(
                zip(self.steps, [reached[0], *reached], rows, strict=False)
            )
        ]
        return FunnelAnswer(**users_range_members(self, as_of), window=self.window, steps=steps)


class FunnelStep(msgspec.Struct):
    event_type: str
    properties: dict[str, str]
    users: Count
    conversion: Share
    step_conversion: Share
    dropped: Count
    median_seconds: Seconds


class FunnelAnswer(UsersRangeAnswer, kw_only=True):
    window: Count
    steps: list[FunnelStep]


FILTER = {"$ref": COMPONENT.format(name="BehaviourFilter")}
"""The bodies of POST /stats/… add it to the document."""

FUNNEL_BODY = {
    "type": "object",
    "required": ["steps"],
    "additionalProperties": False,
    "properties": {
        "from": {**MOMENT, "description": "RFC 3339 with an offset, or a day."},
        "to": {**MOMENT, "description": "The same."},
        "tz": {**TEXT, "description": "IANA time zone; UTC by default."},
        "filter": FILTER,
        "window": {"type": "integer", "minimum": 1, "maximum": 31_536_000, "default": 604_800},
        "steps": {
            "type": "array",
            "minItems": 2,
            "maxItems": 10,
            "items": {
                "type": "object",
                "required": ["event_type"],
                "additionalProperties": False,
                "properties": {
                    "event_type": {**TEXT, "minLength": 1, "maxLength": 100},
                    "properties": {"type": "object", "additionalProperties": TEXT},
                    "filter": FILTER,
                },
            },
        },
    },
}
"""The body in OpenAPI."""
