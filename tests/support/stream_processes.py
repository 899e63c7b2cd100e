"""Processes of streams: storers, importers, archives, relays."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests
from kafka_cluster import KafkaCluster
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families
from servers import Service, running


class StreamProcess(Service):
    """A process. Its `url` is that of its metrics."""

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0 if it has none."""
        text = requests.get(f"{self.url}/metrics", timeout=30).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(
            sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
        )


@contextmanager
def stream_processes(
    folder: Path, kafka: KafkaCluster, name: str, common: Mapping[str, object]
) -> Iterator[Callable[..., StreamProcess]]:
    """Yield a function that starts consumers; `wait=False` doesn't wait until they are members of the group."""
    with started_processes(
        folder, name, {"KAFKA_BROKERS": kafka.servers, "KAFKA_SESSION_SECONDS": 2, **common}
    ) as start:
        yield start


@contextmanager
def started_processes(folder: Path, name: str, common: Mapping[str, object]) -> Iterator[Callable[..., StreamProcess]]:
    """Yield a function that starts processes of streams; `wait=False` doesn't wait until they are ready."""
    started: list[StreamProcess] = []

    def start(*, wait: bool = True, **settings: object) -> StreamProcess:
        port = free_port()
        log = folder / f"{name}-{len(started)}.log"
        given = {"METRICS_PORT": port, **common, **settings}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", f"event_tracker.streams.{name}"],
                env={**os.environ, **{key: str(value) for key, value in given.items()}},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        made = StreamProcess(name, f"http://127.0.0.1:{port}", process, log)
        started.append(made)
        running.append(made)
        if wait:
            made.wait_ready()
        return made

    try:
        yield start
    finally:
        for made in started:
            running.remove(made)
            if made.process.poll() is None:
                os.killpg(made.process.pid, signal.SIGCONT)
                made.process.send_signal(signal.SIGTERM)
        for made in started:
            made.process.wait(30)
