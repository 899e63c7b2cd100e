"""What `tracker topics init` and `tracker up --kafka` ask Kafka for. What Kafka makes of it is tested in tests/platform/kafka."""

import pytest
from click.testing import CliRunner

from event_tracker.cli import kafka_cluster
from event_tracker.cli.local.kafka import DISK_BYTES, PARTITIONS, TOPIC_OPTIONS
from event_tracker.cli.topics.command import topics

EVENTS, REJECTIONS = "analytics.events", "analytics.rejections"


@pytest.fixture
def init(monkeypatch):
    """init(*arguments) runs the command; returns the partitions, replicas and `min.insync.replicas` of each topic that it makes."""

    def run(*arguments):
        made = {}

        class Cluster:
            def __init__(self, _):
                pass

            def create(self, name, partitions, replicas, options):
                made[name] = (partitions, replicas, options["min.insync.replicas"])
                return True

            def close(self):
                pass

        monkeypatch.setattr(kafka_cluster, "Cluster", Cluster)
        done = CliRunner().invoke(topics, ["init", *arguments], env={"KAFKA_BROKERS": "127.0.0.1:1"})
        assert done.exit_code == 0, done.output
        return made

    return run


def test_the_topics_are_made_as_documented(init):
    assert init() == {EVENTS: (12, 3, "2"), REJECTIONS: (3, 3, "2")}


@pytest.mark.parametrize(("replicas", "in_sync"), [("1", "1"), ("2", "2"), ("3", "2"), ("5", "2")])
def test_a_collector_takes_every_topic_of_two_replicas_or_more(init, replicas, in_sync):
    assert {one[2] for one in init("--replicas", replicas).values()} == {in_sync}


def test_fewer_partitions_hold_for_both(init):
    assert [one[0] for one in init("--partitions", "2").values()] == [2, 2]


def test_the_topics_of_tracker_up_fit_their_share_of_the_disk():
    """A partition keeps its bytes and the segment that is being written."""
    retained, segment = int(TOPIC_OPTIONS["retention.bytes"]), int(TOPIC_OPTIONS["segment.bytes"])
    assert PARTITIONS * (retained + segment) < 1.25 * DISK_BYTES
