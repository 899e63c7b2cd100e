"""Reads filters that are also about the session of an event and about its user (docs/definitions.md, filters of sessions and users)."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, post_load

from event_tracker.query.filters.grammar import Count, Edge, Filter, SessionCondition, UserCondition
from event_tracker.query.filters.schema import A_LIST, FilterSchema
from event_tracker.query.parameter_types import ShortList, Time, WholeNumber
from event_tracker.query.parameters import ParameterSchema

MAX_EVENTS = 1_000_000

DID = "The events that are counted; without it, all."
ONE_OF = "Must have {names}, or `at_least` or `at_most`."


def _filter_field(description: str) -> fields.Nested:
    return fields.Nested(FilterSchema, metadata={"description": description})


class CountSchema(ParameterSchema):
    """How many events there are: `did` at least and at most so often (once, without either), or `did_not`."""

    did = _filter_field(DID)
    did_not = _filter_field("There must be no event that it selects.")
    at_least = WholeNumber(MAX_EVENTS, metadata={"description": "By default 1, or 0 beside `at_most`."})
    at_most = WholeNumber(MAX_EVENTS)


class SessionFilterSchema(CountSchema):
    """About the session of an event: one of `entry`, `exit`, `did` and `did_not`, or the number of all its events."""

    entry = _filter_field("Must select the session's first event.")
    exit = _filter_field("Must select the session's last event.")
    among = _filter_field("Beside `entry` or `exit`: the first or the last of the events that it selects.")

    @post_load
    def _make_condition(self, given: dict[str, Any], **_: Any) -> SessionCondition:
        match given:
            case {"entry": event, **rest} if rest.keys() <= {"among"}:
                return SessionCondition(Edge("entry", event, rest.get("among")))
            case {"exit": event, **rest} if rest.keys() <= {"among"}:
                return SessionCondition(Edge("exit", event, rest.get("among")))
        return SessionCondition(_make_count(given, "one of `entry`, `exit`, `did` and `did_not`"))


class UserFilterSchema(CountSchema):
    """About an event's user: `did` or `did_not`, or the number of all their events, from `from` until before `to`."""

    start = Time(data_key="from", metadata={"description": "By default the question's."})
    end = Time(data_key="to", metadata={"description": "By default the question's."})

    @post_load
    def _make_condition(self, given: dict[str, Any], **_: Any) -> UserCondition:
        start, end = given.pop("start", None), given.pop("end", None)
        if start and end and start > end:
            raise ValidationError({"from": [("reversed_range", "Must not be later than `to`.")]})
        return UserCondition(_make_count(given, "one of `did` and `did_not`"), start, end)


def _make_count(given: dict[str, Any], names: str) -> Count:
    match given:
        case {"did_not": events, **rest} if not rest:
            return Count(events, 0, 0)
        case {"at_least": least, "at_most": most} if least > most:
            raise ValidationError({"at_most": [("invalid_number", "Must not be less than `at_least`.")]})
        case {**rest} if rest and rest.keys() <= {"did", "at_least", "at_most"}:
            at_most = rest.get("at_most")
            return Count(rest.get("did"), rest.get("at_least", 0 if at_most else 1), at_most)
    raise ValidationError([("invalid_filter", ONE_OF.format(names=names))])


class BehaviourFilterSchema(FilterSchema):
    """A condition (`field`, `operator`, `value`), one about the `session` or the `user`, or a group of which all (`and`) or any (`or`)
    must match.
    """

    refused: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[str] = "Must have `and`, `or`, `session` or `user`, or else `field` and `operator`."

    every = ShortList(fields.Nested(lambda: BehaviourFilterSchema()), data_key="and", metadata=A_LIST)
    some = ShortList(fields.Nested(lambda: BehaviourFilterSchema()), data_key="or", metadata=A_LIST)
    session = fields.Nested(SessionFilterSchema)
    user = fields.Nested(UserFilterSchema)

    @post_load
    def _make_filter(self, given: dict[str, Any], **more: Any) -> Filter:
        match given:
            case {"session": condition, **rest} | {"user": condition, **rest} if not rest:
                found: Filter = condition
                return found
        of_event: Filter = super()._make_filter(given, **more)
        return of_event
