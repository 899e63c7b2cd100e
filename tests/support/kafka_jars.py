"""Kafka's jars for tests, from Maven's registry: fetched once, into .tools."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

from shared import made_once
from tools import ROOT, not_checked, tool

POM = ROOT / "tests" / "platform" / "fixtures" / "kafka" / "pom.xml"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_SECONDS = 600


def kafka_jars() -> Path:
    """The folder of the jars. Skips the test where there is no Java, no Maven, or no registry."""
    tool("java")
    (version,) = ElementTree.parse(POM).findall(".//{*}properties/{*}kafka.version")
    tools = ROOT / ".tools"
    tools.mkdir(exist_ok=True)
    return made_once(tools / f"kafka-{version.text}", _fetch)


def _fetch(folder: Path) -> None:
    command = [tool("mvn"), "--batch-mode", "--quiet", "-ntp", "--file", POM, PLUGIN]
    done = subprocess.run(
        [*command, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=FETCH_SECONDS,
    )
    if done.returncode != 0:
        not_checked(f"Maven can't fetch Kafka's jars: {done.stdout[-500:]}")
