"""The Kafka of the tests itself: the access lists of its secure listener refuse who was given nothing."""

import pytest
from confluent_kafka import KafkaException, Producer


def produce(kafka, topic, **options) -> list[str]:
    """Produce one record over the secure listener; return the names of the errors."""
    errors: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": kafka.secure_servers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "ssl.ca.location": str(kafka.ca),
            "delivery.timeout.ms": 20_000,
            "log_level": 0,
            "error_cb": lambda error: errors.append(error.name()),
            **options,
        }
    )
    producer.produce(topic, b"{}", on_delivery=lambda error, _: errors.append(error.name()) if error else None)
    producer.flush(30)
    return errors


def test_a_user_may_do_what_was_allowed_and_nothing_else(kafka):
    topic, other = kafka.create_topic("allowed", 1), kafka.create_topic("not-allowed", 1)
    kafka.add_user("ann", "correct")
    kafka.allow("ann", "topic", topic, ["write", "describe"])
    ann = {"sasl.username": "ann", "sasl.password": "correct"}
    assert produce(kafka, topic, **ann) == []
    assert produce(kafka, other, **ann) == ["TOPIC_AUTHORIZATION_FAILED"]
    with pytest.raises(KafkaException):
        kafka.create_topic(topic, 1)
