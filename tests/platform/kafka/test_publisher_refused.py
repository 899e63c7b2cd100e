"""What ends a publisher: a password, a certificate, a right or a topic that is wrong. It says which.

Brokers that can't be reached don't end it.
"""

from itertools import chain, repeat

import pytest
from kafka_cluster import kafka_cluster
from kafka_records import read_topic
from publishers import publishers, wait_published
from waiting import wait_until

from event_tracker.core.kafka.last_error import LastError
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.streams.publisher.record_writer import RecordWriter, TopicRecord

PASSWORD = "correct horse"


@pytest.fixture
def secure(kafka, topic):
    """Settings of a user who may do what a publisher needs, and no more."""
    kafka.add_user("publisher", PASSWORD)
    kafka.allow("publisher", "topic", topic, ["write", "describe", "describe_configs"])
    return {
        "KAFKA_BROKERS": kafka.secure_servers, "KAFKA_SECURITY": "scram", "KAFKA_CA": kafka.ca,
        "KAFKA_USER": "publisher", "KAFKA_PASSWORD": PASSWORD,
    }  # fmt: skip


def refusal(publish, **settings) -> str:
    """What a publisher says that ends by itself."""
    publisher = publish(wait=False, **settings)
    assert publisher.process.wait(60) == 1
    said = publisher.log.read_text()
    assert "Traceback" not in said
    assert PASSWORD not in said
    return said


def test_with_the_least_rights_it_publishes(kafka, topic, owner, writer, publish, secure):
    writer.store_new(100)
    publisher = publish(**secure)
    wait_published(owner, kafka, topic)
    assert publisher.stop() == 0
    assert PASSWORD not in publisher.log.read_text()


def test_a_wrong_password_or_certificate_ends_it_with_the_cause(publish, secure):
    assert "_AUTHENTICATION" in refusal(publish, **{**secure, "KAFKA_PASSWORD": "wrong"})
    assert "certificate" in refusal(publish, **{**secure, "KAFKA_CA": ""}).lower()


def test_a_missing_right_ends_it_with_its_name(kafka, topic, writer, publish, secure):
    writer.store_new(1)
    kafka.add_user("may-not-write", PASSWORD)
    assert f"topic {topic}" in refusal(publish, **{**secure, "KAFKA_USER": "may-not-write"})
    kafka.allow("may-not-write", "topic", topic, ["describe", "describe_configs"])
    assert "may write to none of the topics" in refusal(publish, **{**secure, "KAFKA_USER": "may-not-write"})
    kafka.allow("may-not-write", "topic", f"{topic}.rejections", ["write", "describe", "describe_configs"])
    said = refusal(publish, **{**secure, "KAFKA_USER": "may-not-write"})
    assert f"may not write to the topic {topic}" in said


def test_a_topic_that_is_not_there_ends_it(publish):
    assert "There is no topic nowhere" in refusal(publish, PUBLISH_TOPIC="nowhere")


def test_an_event_that_is_too_large_ends_it_and_is_published_when_the_topic_takes_it(
    kafka, topic, owner, writer, publish
):
    kafka.change_topic(topic, **{"max.message.bytes": 2000})
    writer.store_new(1, properties=b'{"text": "%s"}' % (b"x" * 4000))
    writer.store_new(1)
    said = refusal(publish, KAFKA_TOPIC="another")
    assert f"larger than the topic {topic} takes" in said
    kafka.change_topic(topic, **{"max.message.bytes": 100_000})
    publish()
    wait_published(owner, kafka, topic)


def test_the_topic_through_which_events_are_stored_is_refused(topic, publish):
    assert "would be published again for ever" in refusal(publish, KAFKA_TOPIC=topic)


def test_a_database_without_the_tables_ends_it(owner, publish):
    owner.execute("drop function relay_mark")
    assert "tracker migrate" in refusal(publish)


def test_brokers_that_go_away_are_waited_for(tmp_path, owner, writer, postgres, database):
    """Also by one that is killed meanwhile."""
    (folder := tmp_path / "kafka").mkdir()
    with kafka_cluster(folder) as cluster:
        topic = cluster.create_topic("published", 3)
        with publishers(tmp_path, cluster, topic, postgres.url(database, "relay")) as start:
            publisher = start()
            writer.store_new(100)
            wait_published(owner, cluster, topic)
            cluster.stop()
            writer.store_new(100)
            wait_until(lambda: publisher.metric("publisher_lag_seconds") > 3, "the lag grows")
            cluster.start()
            wait_published(owner, cluster, topic)
            assert publisher.process.poll() is None
            cluster.stop()
            writer.store_new(100)
            wait_until(lambda: publisher.metric("publisher_lag_seconds") > 3, "the lag grows")
            publisher.kill()
            start(wait=False)
            cluster.start()
            wait_published(owner, cluster, topic)


def test_what_is_not_acknowledged_when_the_turn_is_lost_is_not_written_later(tmp_path):
    """The broker can't be reached when it is told to stop; then another batch is written."""
    with kafka_cluster(tmp_path) as cluster:
        topic = cluster.create_topic("published", 1)
        settings = KafkaSettings(kafka_brokers=cluster.servers, kafka_single=True)
        answers = repeat(True)
        writer = RecordWriter(
            settings, max_message_bytes=10**6, last_error=LastError(), should_continue=lambda: next(answers)
        )
        assert writer.write([TopicRecord(topic, b"ann", b"first", [])])
        cluster.stop()
        answers = chain([True] * 4, [False])
        assert not writer.write([TopicRecord(topic, b"ann", b"lost", [])] * 10)
        cluster.start()
        answers = repeat(True)
        assert writer.write([TopicRecord(topic, b"ann", None, [])])
        assert [one.value() for one in read_topic(cluster, topic)] == [b"first", None]
        writer.close()
