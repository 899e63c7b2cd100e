"""The filters of the query service, as its parameter `filter` has them (docs/api.md, filters): conditions, and groups as JSON."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PROPERTY = "property."

FIELDS = {
    "event_type": "Event type",
    "user_id": "User",
    "session_id": "Session",
    "source": "Source",
    "timestamp": "Time",
    "received_at": "Time of arrival",
}
"""The fields of events, and what the dashboard calls them."""

OPERATORS = {
    "is": "is",
    "is_not": "is not",
    "one_of": "is one of",
    "contains": "contains",
    "not_contains": "doesn't contain",
    "starts_with": "starts with",
    "set": "is set",
    "not_set": "isn't set",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
}
TIMES = ("timestamp", "received_at")
WITHOUT_VALUE, LIST = ("set", "not_set"), "one_of"

_short = re.compile(r"(?P<field>(?:[^\\:]|\\.)*):(?P<operator>[^:]*)(?::(?P<value>.*))?", re.DOTALL).fullmatch
_item = re.compile(r"(?:[^\\,]|\\.|\\$)*", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """A test of one field. `values` has none, one, or with `one_of` any number of texts."""

    field: str
    operator: str
    values: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """As FIELD:OPERATOR:VALUE."""
        if self.operator in WITHOUT_VALUE:
            return f"{self.field}:{self.operator}"
        if self.operator == LIST:
            return f"{self.field}:{self.operator}:{','.join(map(_escape_item, self.values))}"
        return f"{self.field}:{self.operator}:{''.join(self.values[:1])}"

    @property
    def document(self) -> dict[str, object]:
        """As JSON."""
        document: dict[str, object] = {"field": self.field, "operator": self.operator}
        if self.operator == LIST:
            return {**document, "value": list(self.values)}
        return document if self.operator in WITHOUT_VALUE else {**document, "value": "".join(self.values[:1])}

    def __str__(self) -> str:
        operator = OPERATORS.get(self.operator, self.operator)
        return " ".join([name_field(self.field), operator, ", ".join(value or "“”" for value in self.values)]).rstrip()


Part = Condition | str
"""A condition, or the text of any other filter: a group, one of sessions, or what isn't a filter, which the query service refuses."""

EDGES = {"entry": "Entry", "exit": "Exit"}
"""Filters of sessions by their first or last event, and what the dashboard calls them."""

PAGE_VIEWS = Condition("event_type", "is", ("page_view",))


def make_edge(edge: str, condition: Condition) -> str:
    """The filter of the sessions whose first (`entry`) or last (`exit`) page view is as the condition says."""
    document = {"session": {edge: condition.document, "among": PAGE_VIEWS.document}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def describe(part: Part) -> str:
    """What the dashboard calls a filter: words for those that it makes, otherwise its text."""
    if isinstance(part, Condition):
        return str(part)
    try:
        document = json.loads(part)
    except ValueError:
        return part
    match document:
        case {"session": {"among": among, **rest}, **others} if not others and _read_document(among) == PAGE_VIEWS:
            for edge, name in EDGES.items():
                condition = _read_document(rest.get(edge))
                if condition and len(rest) == 1:
                    return f"{name}: {condition}"
    return part


def find_not_of_events(filters: Sequence[str]) -> list[str]:
    """The filters of sessions or users, of these: an event alone doesn't say whether it matches. Each as the dashboard calls it."""
    found = []
    for text in filters:
        try:
            document = json.loads(text)
        except ValueError:
            continue
        if isinstance(document, dict) and document.keys() & {"session", "user"}:
            found.append(describe(text))
    return found


def equals(name: str, value: str) -> Condition:
    """The condition that a field has a value."""
    return Condition(name, "is", (value,))


def property_field(name: str) -> str:
    """The field of a property."""
    return PROPERTY + re.sub(r"[\\.:]", r"\\\g<0>", name)


def property_name(field: str) -> str:
    """The name of the property with this field: the inverse."""
    return re.sub(r"\\(.)", r"\1", field.removeprefix(PROPERTY))


def name_field(field: str) -> str:
    """What the dashboard calls a field. The names in the path of a member have arrows between them."""
    if field in FIELDS:
        return FIELDS[field]
    keys = re.findall(r"(?:[^\\.]|\\.)+", field.removeprefix(PROPERTY))
    return " → ".join(re.sub(r"\\(.)", r"\1", key) for key in keys) or field


def as_field(text: str) -> str:
    """The field that a reader means: one of the list, or the name of a property."""
    return text if text in FIELDS or text.startswith(PROPERTY) else property_field(text)


def parse(text: str) -> Part:
    """Read a filter of a query string."""
    if text.startswith("{"):
        try:
            return _read_document(json.loads(text)) or text
        except ValueError:
            return text
    found = _short(text)
    if found is None or found["operator"] not in OPERATORS:
        return text
    value = found["value"]
    if (value is None) != (found["operator"] in WITHOUT_VALUE):
        return text
    values = () if value is None else tuple(_split(value)) if found["operator"] == LIST else (value,)
    return Condition(found["field"], found["operator"], values)


def read_alternatives(filters: Sequence[str]) -> list[Condition] | None:
    """The conditions of which any must match, if the filters are one group of such; None if all filters must match."""
    if len(filters) != 1 or not filters[0].startswith("{"):
        return None
    try:
        match json.loads(filters[0]):
            case {"or": [*parts], **rest} if not rest:
                conditions = [_read_document(part) for part in parts]
            case _:
                return None
    except ValueError:
        return None
    known = [condition for condition in conditions if condition is not None]
    return known if known and len(known) == len(conditions) else None


def write(parts: Sequence[Part], *, any_matches: bool = False) -> list[str]:
    """The filters of a query string of which these parts must match: all, or any, which is only possible for conditions."""
    conditions = [part for part in parts if isinstance(part, Condition)]
    if any_matches and conditions and len(conditions) == len(parts):
        return [json.dumps({"or": [condition.document for condition in conditions]}, ensure_ascii=False)]
    return [part.short if isinstance(part, Condition) else part for part in parts]


def as_document(filters: Sequence[str]) -> object:
    """The filters of a query string as JSON for a body; None without any.

    Raises:
        ValueError: one of them isn't a filter.
    """
    parts = [parse(text) for text in filters]
    documents = [part.document if isinstance(part, Condition) else json.loads(part) for part in parts]
    return {"and": documents} if documents else None


def _read_document(document: object) -> Condition | None:
    """A condition as JSON; None if it is anything else."""
    match document:
        case {"field": str(field), "operator": str(operator), **rest} if operator in OPERATORS and rest.keys() <= {
            "value"
        }:
            match rest.get("value"):
                case None if operator in WITHOUT_VALUE:
                    return Condition(field, operator)
                case str(value) if operator not in (*WITHOUT_VALUE, LIST):
                    return Condition(field, operator, (value,))
                case [*values] if operator == LIST and all(isinstance(value, str) for value in values):
                    return Condition(field, operator, tuple(map(str, values)))
    return None


def _escape_item(value: str) -> str:
    return re.sub(r"[\\,]", r"\\\g<0>", value)


def _split(text: str) -> Iterator[str]:
    """Split a list at its commas."""
    position = 0
    while position <= len(text):
        found = _item.match(text, position)
        assert found
        yield re.sub(r"\\([\\,])", r"\1", found[0])
        position = found.end() + 1
