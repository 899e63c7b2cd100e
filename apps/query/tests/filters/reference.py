"""What a filter selects, written again from docs/definitions.md: on the filter as it was sent, with nothing of the product's."""

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any


class Number(str):
    """A number of JSON, as it is spelled."""

    __slots__ = ()


def parse(text: str) -> Any:
    """JSON whose numbers keep their spelling."""
    return json.loads(text, parse_float=Number, parse_int=Number)


def write(value: Any) -> str:
    """The JSON of a value, as PostgreSQL writes it."""
    match value:
        case Number():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{write(key)}: {write(member)}" for key, member in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(write, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def selects(document: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether a filter selects an event, whose `properties` were parsed by `parse`."""
    if "and" in document:
        return all(selects(part, event) for part in document["and"])
    if "or" in document:
        return any(selects(part, event) for part in document["or"])
    operator = document["operator"]
    if operator in ("is_not", "not_contains", "not_set"):
        opposite = {"is_not": "is", "not_contains": "contains", "not_set": "set"}[operator]
        return not selects({**document, "operator": opposite}, event)
    if not document["field"].startswith("property."):
        return test_field(operator, event[document["field"]], document.get("value"))
    keys = re.findall(r"(?:[^\\.]|\\.)+", document["field"].removeprefix("property."))
    keys = [re.sub(r"\\(.)", r"\1", key) for key in keys]
    value: Any = event["properties"]
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return test_property(operator, value, is_nested=len(keys) > 1, wanted=document.get("value"))


def test_field(operator: str, value: Any, wanted: Any) -> bool:
    if value is None:
        return False
    match operator:
        case "set":
            return True
        case "is":
            return value == wanted
        case "one_of":
            return value in wanted
        case "contains":
            return wanted in value
        case "starts_with":
            return value[: len(wanted)] == wanted
    return compare(operator, value, datetime.fromisoformat(wanted) if isinstance(value, datetime) else wanted)


def test_property(operator: str, value: Any, *, is_nested: bool, wanted: Any) -> bool:
    if value is None:
        return False
    if operator == "set":
        return True
    if operator == "contains" and isinstance(value, list):
        return any(is_same(text_of(element), wanted) for element in value if not isinstance(element, dict | list))
    if is_nested and isinstance(value, dict | list):
        return False
    text = text_of(value)
    assert text is not None
    match operator:
        case "is":
            return is_same(text, wanted)
        case "one_of":
            return any(is_same(text, one) for one in wanted)
        case "contains":
            return wanted in shortest(text)
        case "starts_with":
            return shortest(text)[: len(wanted)] == wanted
    if is_number(text) != is_number(wanted):
        return False
    return compare(operator, number(text), number(wanted)) if is_number(text) else compare(operator, text, wanted)


def text_of(value: Any) -> str | None:
    return None if value is None else value if type(value) is str else write(value)


def is_same(text: str | None, wanted: str) -> bool:
    if text is None:
        return False
    return text == wanted or (is_number(text) and is_number(wanted) and number(text) == number(wanted))


def is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?(0|[1-9][0-9]*)([.][0-9]+)?", text, re.ASCII))


def shortest(text: str) -> str:
    return re.sub("[.]?0+$", "", text) if is_number(text) and "." in text else text


def number(text: str) -> tuple[Decimal, bool]:
    """The exact number; -0 comes before 0."""
    value = Decimal(text)
    return value, not text.startswith("-") if value.is_zero() else True


def compare(operator: str, value: Any, wanted: Any) -> bool:
    return {"gt": value > wanted, "gte": value >= wanted, "lt": value < wanted, "lte": value <= wanted}[operator]
