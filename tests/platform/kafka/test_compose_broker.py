"""The broker of compose's profile `kafka`: its settings in a real broker, its topics made by the profile's own command.

The image itself isn't started here: the jars are Maven's. Only addresses and the folder are others.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import run_tracker
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from kafka_jars import kafka_jars
from ports import free_port
from tools import ROOT, tool
from waiting import wait_until

from event_tracker.core.kafka.settings import KafkaSettings
from event_tracker.core.kafka.topic import KafkaRefusedError, check_topic

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())["services"]
PROPERTIES = ROOT / "infra" / "kafka" / "server.properties"


def java(main: str, *arguments: str) -> list[str]:
    """A command with the heap that the profile gives the broker."""
    heap = SERVICES["kafka"]["environment"]["KAFKA_HEAP_OPTS"].split()
    return [tool("java"), *heap, "-XX:+UseSerialGC", "-cp", f"{kafka_jars()}{os.sep}*", main, *arguments]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker with the profile's settings, on free ports. Gives its address."""
    folder = tmp_path_factory.mktemp("broker")
    address, controller = f"localhost:{free_port()}", f"127.0.0.1:{free_port()}"
    text = PROPERTIES.read_text()
    for old, new in {
        "PLAINTEXT://:9092": f"PLAINTEXT://{address}",
        "PLAINTEXT://kafka:9092": f"PLAINTEXT://{address}",
        "127.0.0.1:9093": controller,
        "/var/lib/kafka/data": str(folder / "data"),
    }.items():
        assert old in text
        text = text.replace(old, new)
    properties = folder / "server.properties"
    properties.write_text(text)
    (format_options,) = re.findall(r"kafka-storage\.sh (.+) --config", SERVICES["kafka"]["entrypoint"][-1])
    command = java("kafka.tools.StorageTool", *format_options.split(), "--config", str(properties))
    for _ in range(2):  # a start of the container is one of many
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            java("kafka.Kafka", str(properties)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: process.poll() is not None or _answers(address))
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        return bool(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def init_topics(broker: str) -> str:
    """Run the command of the profile's service `kafka-topics`."""
    service = SERVICES["kafka-topics"]
    done = run_tracker(
        *service["command"], environment={**os.environ, **service["environment"], "KAFKA_BROKERS": broker}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_topics_are_made_once_and_are_taken_where_one_broker_is_allowed(
    broker: str, monkeypatch: pytest.MonkeyPatch
):
    init_topics(broker)
    init_topics(broker)
    monkeypatch.setenv("KAFKA_BROKERS", broker)
    monkeypatch.setenv("KAFKA_SINGLE", SERVICES["collector"]["environment"]["KAFKA_SINGLE"])
    settings = KafkaSettings.read()
    for topic in (settings.kafka_topic, settings.kafka_rejections_topic):
        check_topic(settings, topic, "collector", least_bytes=0)
    monkeypatch.setenv("KAFKA_SINGLE", "false")
    settings = KafkaSettings.read()
    with pytest.raises(KafkaRefusedError, match="replica"):
        check_topic(settings, settings.kafka_topic, "collector", least_bytes=0)


def test_a_topic_that_nobody_made_is_not_made_by_who_writes_to_it(broker: str):
    failed: list[str] = []
    options = {"message.timeout.ms": 5000, "topic.metadata.propagation.max.ms": 0, "log_level": 0}
    producer = Producer({"bootstrap.servers": broker, **options})
    producer.produce("misspelt", b"x", on_delivery=lambda error, _: failed.append(error.name()))
    assert producer.flush(30) == 0
    assert len(failed) == 1
    assert "misspelt" not in AdminClient({"bootstrap.servers": broker}).list_topics(timeout=30).topics


def test_the_files_that_the_container_reads_are_in_the_folder_that_it_mounts():
    folder, _, mounted = SERVICES["kafka"]["volumes"][0].partition(":")
    named = set(re.findall(rf"{re.escape(mounted.removesuffix(':ro'))}/([\w.]+)", str(SERVICES["kafka"])))
    assert named == {path.name for path in (ROOT / "infra" / Path(folder)).iterdir()}
