"""Kafka's jars for tests, from Maven's registry: fetched once, into .tools."""

from pathlib import Path

import click
from shared import made_once
from tools import ROOT, not_checked, tool

from event_tracker.cli.local.kafka_jars import fetch_jars, kafka_version


def kafka_jars() -> Path:
    """The folder of the jars. Skips the test where there is no Java, no Maven, or no registry."""
    tool("java")
    tool("mvn")
    try:
        return fetch_once()
    except click.ClickException as error:
        not_checked(error.message)


def fetch_once() -> Path:
    """The folder of the jars, for the benchmark, too.

    Raises:
        ClickException: if they must be fetched, and can't be.
    """
    tools = ROOT / ".tools"
    tools.mkdir(exist_ok=True)
    return made_once(tools / f"kafka-{kafka_version()}", fetch_jars)
