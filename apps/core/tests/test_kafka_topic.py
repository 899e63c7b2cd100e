"""Checks of a topic, against what isn't a broker. What real brokers say is tested in tests/platform/kafka."""

import socket
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from event_tracker.core.kafka import topic
from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import KafkaUnreachableError, check_topic

DAY_MS = 86_400_000


@pytest.fixture
def hanging_up():
    """The address of who takes each connection, reads a question, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)

        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_who_hangs_up_may_be_a_proxy_so_it_is_not_a_refusal(hanging_up):
    settings = KafkaSettings.read(kafka_brokers=hanging_up)
    with pytest.raises(KafkaUnreachableError) as raised, capture_logs() as logs:
        check_topic(settings, "events", "collector", seconds=1)
    assert raised.value.cause.code == "security_protocol"
    assert "KAFKA_SECURITY" in str(raised.value)
    assert not logs, "a check runs in a real thread beside gevent's: it must not log"


@pytest.mark.parametrize(
    ("policy", "retention", "keep"),
    [
        ("delete", 7 * DAY_MS, timedelta(days=8, hours=1)),
        ("compact,delete", 0, timedelta(days=1, hours=1)),
        ("delete", -1, None),
        ("delete", 2**63 - 1, None),
        ("compact", 7 * DAY_MS, None),
    ],
)
def test_a_record_is_kept_for_the_retention_and_a_segment(monkeypatch, policy, retention, keep):
    """Kafka deletes whole segments, and the last record of one comes up to `segment.ms` after the first."""
    options = {"cleanup.policy": policy, "retention.ms": str(retention), "segment.ms": str(DAY_MS)}
    entries = {name: SimpleNamespace(value=value) for name, value in options.items()}
    monkeypatch.setattr(topic, "_find", lambda *_: [1])
    monkeypatch.setattr(topic, "_read_options", lambda *_: entries)
    assert topic.read_keep(KafkaSettings.read(kafka_brokers="localhost:1"), "events", "storer") == keep
