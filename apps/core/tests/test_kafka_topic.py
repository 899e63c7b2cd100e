"""Checks of a topic, against what isn't a broker. What real brokers say is tested in tests/platform/kafka."""

import socket
import threading

import pytest
from structlog.testing import capture_logs

from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import KafkaUnreachableError, check_topic


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
