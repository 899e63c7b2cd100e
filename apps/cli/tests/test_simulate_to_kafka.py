"""`tracker simulate --to kafka` and `tracker topics replay`, as far as they need no Kafka; tests/platform/kafka has the rest."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from click.testing import CliRunner

from event_tracker.cli.simulate.kafka_sender import make_simulated_record
from event_tracker.cli.simulate.scenarios import SCENARIOS
from event_tracker.cli.simulate.scenarios.plan import make_plan
from event_tracker.cli.simulate.scenarios.traffic import arriving_batches
from event_tracker.cli.simulate.simulate import simulate
from event_tracker.cli.topics.command import topics
from event_tracker.model.storing.record import read_record


def test_a_record_has_what_the_event_says():
    plan = make_plan(SCENARIOS["shop"], 1, 20, 14, datetime(2026, 3, 20, tzinfo=UTC))
    for batch in arriving_batches(plan):
        for event in batch:
            record = make_simulated_record(event, "shop")
            row, said = read_record(record.value, record.headers), json.loads(event.json)
            assert record.key.decode() == row.user_id == said["user_id"]
            assert row.timestamp == datetime.fromisoformat(said["timestamp"])
            assert UUID(bytes=row.event_id) == UUID(said["event_id"])
            assert (row.event_type, row.session_id) == (said["event_type"], said.get("session_id"))
            assert json.loads(row.properties) == said.get("properties", {})
            assert row.source == "shop"


@pytest.mark.parametrize(
    ("command", "arguments", "why"),
    [
        (simulate, ["--source", "shop"], "Only --to kafka takes a --source"),
        (simulate, ["--to", "kafka"], "Set KAFKA_BROKERS"),
        (topics, ["replay", "--from", "2026-03-01T00:00:00Z"], "Set KAFKA_BROKERS"),
        (topics, ["replay"], "Missing option '--from'"),
        (topics, ["replay", "--from", "2026-03-01"], "isn't a time with an offset"),
    ],
)
def test_what_is_missing_is_said(command, arguments, why):
    result = CliRunner().invoke(command, arguments, env={"KAFKA_BROKERS": ""})
    assert result.exit_code == 2
    assert why in result.output
