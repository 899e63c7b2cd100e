"""What the parser returns: values that stay as they were made."""

from datetime import UTC, datetime

import pytest

from event_tracker.collector.parsing.parser import Parser
from event_tracker.collector.post_event import split_body
from event_tracker.collector.receipts import add_outcomes
from event_tracker.model.storing.row import NotStorableError

PARSER = Parser(max_event_bytes=65_536, max_body_bytes=1_000_000, earliest=datetime(2000, 1, 1, tzinfo=UTC))
REPAIRED = '{"user_id":"ann","event_type":"view","properties":{"a":"\\ud800"}}'
INVALID = '{"user_id":"","event_type":"view"}'


def parse(*events):
    return PARSER.read(split_body(f"[{','.join(events)}]".encode(), 10), source="shop")


def listed(errors):
    return [(error.pointer, error.code) for error in errors]


def test_a_result_and_its_rows_cannot_be_changed():
    parsed = parse(REPAIRED)
    with pytest.raises(AttributeError):
        parsed.rows = []
    with pytest.raises(AttributeError):
        parsed.rows[0].warnings = []


def test_outcomes_make_a_result_of_their_own():
    """Of five events the second is invalid, the database refuses the fourth, and the third and the fifth have expired."""
    parsed = parse(REPAIRED, INVALID, REPAIRED, REPAIRED, REPAIRED)
    stored = add_outcomes(parsed, ["stored", "expired", NotStorableError("a_constraint"), "expired"])
    assert listed(stored.errors) == [("/1/user_id", "length"), ("/3", "not_storable")]
    assert "a_constraint" in stored.errors[1].detail
    assert listed(stored.warnings) == [("/0/properties/a", "replaced_characters"), ("/2", "expired"), ("/4", "expired")]
    assert stored.rows == [parsed.rows[0], parsed.rows[1], parsed.rows[3]]
    assert (stored.received, stored.rejected) == (5, 2)
    assert listed(parsed.errors) == [("/1/user_id", "length")]
    assert listed(parsed.warnings) == [(f"/{index}/properties/a", "replaced_characters") for index in (0, 2, 3, 4)]
    assert len(parsed.rows) == 4
