"""Settings of Kafka, and the configuration of clients that is made of them; librdkafka itself reads it here. No broker is needed."""

import pytest
from confluent_kafka import Consumer, KafkaError, Producer

from event_tracker.core.kafka import settings as kafka_settings
from event_tracker.core.kafka.configuration import common_configuration, consumer_configuration, producer_configuration
from event_tracker.core.kafka.last_error import LastError
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.settings import InvalidSettingsError

BROKERS = {"kafka_brokers": "127.0.0.1:1"}
SCRAM = {**BROKERS, "kafka_security": "scram", "kafka_user": "collector", "kafka_password": "hunter2"}


def mistakes(**given):
    with pytest.raises(InvalidSettingsError) as raised:
        KafkaSettings.read(**given)
    return raised.value.mistakes


def producer(settings, **changed):
    sizes = {"max_message_bytes": 1_048_588, "delivery_seconds": 9.0, "queue_records": 40_000}
    return producer_configuration(settings, "collector", **{**sizes, **changed})


def test_the_password_comes_from_a_file_and_is_not_shown(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    monkeypatch.setenv("KAFKA_PASSWORD_FILE", str(tmp_path / "password"))
    settings = KafkaSettings.read(**{name: value for name, value in SCRAM.items() if name != "kafka_password"})
    assert settings.kafka_password == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("changed", "name", "why"),
    [
        ({"kafka_user": ""}, "KAFKA_USER", "needs it"),
        ({"kafka_password": ""}, "KAFKA_PASSWORD", "needs it"),
        ({"kafka_security": "tls"}, "KAFKA_PASSWORD", "would be ignored"),
        ({"kafka_security": "plain"}, "KAFKA_USER", "would be ignored"),
        ({"kafka_rejections_topic": "analytics.events"}, "KAFKA_REJECTIONS_TOPIC", "another topic"),
        ({"kafka_ca": "/nowhere/ca.crt"}, "KAFKA_CA", "There is no file /nowhere/ca.crt."),
        ({**SCRAM, "kafka_security": "plain", "kafka_ca": __file__}, "KAFKA_CA", "would be ignored"),
    ],
)
def test_what_does_not_fit_together_is_refused(changed, name, why):
    assert why in " ".join(mistakes(**{**SCRAM, **changed})[name])


def test_settings_without_brokers_are_no_mistake():
    assert not KafkaSettings.read(**{**SCRAM, "kafka_brokers": "", "kafka_security": "plain"}).kafka_brokers


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(kafka_settings, "find_spec", lambda _: None)
    assert "extra `kafka`" in " ".join(mistakes(**BROKERS)["KAFKA_BROKERS"])


def test_librdkafka_takes_what_is_made_for_it():
    """An option that it doesn't know, or a value that contradicts another, raises here."""
    for given in (BROKERS, {**BROKERS, "kafka_security": "tls"}, SCRAM):
        settings = KafkaSettings.read(**given)
        Producer(producer(settings)).close()
        Consumer(consumer_configuration(settings, "storer", group="event-tracker")).close()


def test_a_producer_waits_for_all_replicas_and_writes_once():
    made = producer(KafkaSettings.read(**BROKERS))
    assert made["acks"] == "all"
    assert made["enable.idempotence"]
    assert made["partitioner"] == "murmur2_random"


def test_a_batch_is_smaller_than_the_topic_takes():
    assert producer(KafkaSettings.read(**BROKERS), max_message_bytes=100_000)["batch.size"] == 90_000


def test_a_bound_that_librdkafka_does_not_take_is_lowered():
    Producer(producer(KafkaSettings.read(**BROKERS), max_message_bytes=2**31 - 1)).close()


def test_only_scram_signs_in():
    assert "sasl.username" not in common_configuration(KafkaSettings.read(**BROKERS), "collector")
    assert common_configuration(KafkaSettings.read(**SCRAM), "collector")["security.protocol"] == "sasl_ssl"


def test_the_cause_stays_although_all_brokers_are_down_after_it():
    last_error = LastError()
    last_error.note(KafkaError(KafkaError._AUTHENTICATION, "SASL authentication failed"))
    last_error.note(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    last_error.note(KafkaError(KafkaError._TRANSPORT, "Disconnected"))
    assert last_error.cause
    assert (last_error.cause.code, last_error.cause.is_refusal) == ("_AUTHENTICATION", True)
    last_error.forget()
    last_error.note(KafkaError(KafkaError._TRANSPORT, "Connection refused"))
    last_error.note(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert str(last_error.cause) == "Connection refused (_TRANSPORT)"
    assert not last_error.cause.is_refusal
