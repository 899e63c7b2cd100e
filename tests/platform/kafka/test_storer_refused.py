"""What ends a storer: a password, a certificate or a right that is wrong, and records that are gone. It says which."""

import psycopg
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from kafka_cluster import ANSWER_SECONDS
from storers import Sender, check_books, committed, wait_stored
from waiting import wait_until

PASSWORD = "correct horse"


@pytest.fixture
def secure(kafka, topic):
    """Settings of a user who may do what a storer needs, and no more."""
    kafka.add_user("storer", PASSWORD)
    for name in (topic, f"{topic}.rejections"):
        kafka.allow("storer", "topic", name, ["read", "describe", "describe_configs"])
    kafka.allow("storer", "group", topic, ["read"])
    return {
        "KAFKA_BROKERS": kafka.secure_servers, "KAFKA_SECURITY": "scram", "KAFKA_CA": kafka.ca,
        "KAFKA_USER": "storer", "KAFKA_PASSWORD": PASSWORD,
    }  # fmt: skip


def refusal(start, **settings) -> str:
    """What a storer says that ends by itself."""
    storer = start(wait=False, **settings)
    assert storer.process.wait(60) == 1
    said = storer.log.read_text()
    assert "Traceback" not in said
    assert PASSWORD not in said
    return said


def test_with_the_least_rights_it_stores(kafka, topic, url, start, secure):
    sender = Sender(kafka, topic)
    sender.send(100)
    storer = start(**secure)
    wait_stored(url, 100)
    check_books(url, sender.acknowledged)
    assert storer.stop() == 0
    assert PASSWORD not in storer.log.read_text()
    assert sum(offset for offset in committed(kafka, topic).values() if offset > 0) == 100


def test_a_wrong_password_or_certificate_ends_it_with_the_cause(start, secure):
    assert "_AUTHENTICATION" in refusal(start, **{**secure, "KAFKA_PASSWORD": "wrong"})
    assert "certificate" in refusal(start, **{**secure, "KAFKA_CA": ""}).lower()


def test_a_missing_right_ends_it_with_its_name(kafka, topic, start, secure):
    for user in ("no-topic", "no-read", "no-group"):
        kafka.add_user(user, PASSWORD)
    assert f"topic {topic}" in refusal(start, **{**secure, "KAFKA_USER": "no-topic"})
    for name in (topic, f"{topic}.rejections"):
        kafka.allow("no-read", "topic", name, ["describe", "describe_configs"])
        kafka.allow("no-group", "topic", name, ["read", "describe", "describe_configs"])
    kafka.allow("no-read", "group", topic, ["read"])
    assert "TOPIC_AUTHORIZATION_FAILED" in refusal(start, **{**secure, "KAFKA_USER": "no-read"})
    assert "GROUP_AUTHORIZATION_FAILED" in refusal(start, **{**secure, "KAFKA_USER": "no-group"})


def test_a_topic_that_is_not_there_ends_it(start):
    assert "There is no topic nowhere" in refusal(start, KAFKA_TOPIC="nowhere")


def test_wrong_settings_are_listed(start):
    said = refusal(start, KAFKA_BROKERS="", KAFKA_PROTOCOL="eager", GROUP_EVENTS=0)
    assert [name for name in ("KAFKA_BROKERS", "KAFKA_PROTOCOL", "GROUP_EVENTS") if name not in said] == []


def test_a_port_that_is_taken_ends_it(kafka, start):
    assert "METRICS_PORT" in refusal(start, METRICS_PORT=kafka.brokers[0].plain)


def test_records_that_are_gone_before_they_were_stored_end_it(kafka, topic, url, start):
    sender = Sender(kafka, topic)
    sender.send(600)
    position = TopicPartition(topic, 0, 1)
    asked = [ConsumerGroupTopicPartitions(topic, [position])]
    for future in kafka.admin.alter_consumer_group_offsets(asked).values():
        future.result(ANSWER_SECONDS)
    for future in kafka.admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        future.result(ANSWER_SECONDS)
    said = refusal(start)
    assert f"topic {topic}, partition 0" in said
    assert "gone" in said


def test_a_database_without_the_tables_ends_it(postgres, database, kafka, topic, owner, start):
    sender = Sender(kafka, topic)
    owner.execute("alter table events rename to other")
    sender.send(10)
    assert "tracker migrate" in refusal(start)


def test_the_first_start_begins_with_the_first_record(kafka, topic, url, start):
    """Also where its partitions have lost their first records before."""
    sender = Sender(kafka, topic)
    sender.send(600)
    for future in kafka.admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        future.result(ANSWER_SECONDS)
    start()
    wait_stored(url, 595)
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from events").fetchone() == (595,)
    wait_until(lambda: committed(kafka, topic).get(0, -1) > 5, "the offset of the partition")
