"""Kafka's programs: Java archives that Maven fetches."""

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import click

POM = Path(__file__).with_name("kafka-pom.xml")
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_SECONDS = 900
TAIL = 500


def kafka_version() -> str:
    """The version that is fetched."""
    return str(ElementTree.parse(POM).findtext(".//{*}properties/{*}kafka.version"))  # noqa: S314  # it is our own file


def require_programs() -> tuple[str, str]:
    """Where Java and Maven are.

    Raises:
        ClickException: naming what is missing.
    """
    found = {name: shutil.which(name) for name in ("java", "mvn")}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        raise click.ClickException(
            f"Kafka needs Java 17 or newer and Maven, and there is no {' and no '.join(missing)} on the PATH. "
            "Without --kafka events go to PostgreSQL directly."
        )
    return str(found["java"]), str(found["mvn"])


def fetch_jars(folder: Path, pom: Path = POM) -> None:
    """Fetch them, or those of another `pom`, into a folder: Kafka's are 44 MB, once more in Maven's own folder.

    Raises:
        ClickException: with the end of what Maven said.
    """
    _, maven = require_programs()
    command = [maven, "--batch-mode", "--quiet", "-ntp", "--file", str(pom), PLUGIN]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={folder.resolve()}"]
    done = subprocess.run(  # noqa: S603
        [*command, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=FETCH_SECONDS,
    )
    if done.returncode != 0:
        raise click.ClickException(f"Maven can't fetch what {pom.name} names: {done.stdout[-TAIL:].strip()}")
