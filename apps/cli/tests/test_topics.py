"""What `tracker topics init` and `tracker up --kafka` ask Kafka for. What Kafka makes of it is tested in tests/platform/kafka."""

import os

import pytest
from click.testing import CliRunner
from commands import run_tracker

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


def test_a_topic_that_nobody_reads_any_more_is_forgotten(postgres, database, owner):
    def forget(topic):
        done = run_tracker(
            "topics", "forget", topic, environment={**os.environ, "DATABASE_URL": postgres.url(database)}
        )
        return done.returncode, done.stdout + done.stderr

    def known():
        return owner.execute(
            "select array(select name from topics order by 1), array(select topic from topic_ends)"
        ).fetchone()

    owner.execute(
        """insert into topics (name, topic_id, checked_at)
           values ('old', '1', now() - interval '3 hours'), ('new', '2', now() - interval '1 hour')"""
    )
    owner.execute("insert into topic_ends values ('old', '1', 1, '{3}'), ('new', '2', 1, '{3}')")
    code, printed = forget("new")
    assert code == 1
    assert "A storer has looked at the topic new within the last two hours." in printed
    assert known() == (["new", "old"], ["old", "new"])
    assert forget("old") == (0, "old: forgotten\n")
    assert known() == (["new"], ["new"])
    code, printed = forget("old")
    assert code == 1
    assert "No storer has read a topic old into this database." in printed
