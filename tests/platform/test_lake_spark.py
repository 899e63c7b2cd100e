"""Spark reads a lake as docs/lake.md says: its retention is that of the API.

It needs pyspark (`pip install pyspark==4.3.0`, 490 MB, which isn't in uv.lock) and Java 17 or newer.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from lake_examples import ask_retention, run_example, store_examples
from servers import Postgres, Service
from stored import Stored
from tools import not_checked

from event_tracker.cli.lake.command import lake


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[Any]:
    """A session of two threads, which opens no port but those on loopback that it must."""
    if importlib.util.find_spec("pyspark") is None:
        not_checked("pyspark isn't installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        not_checked("there is no Java")
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(tmp_path / "warehouse"),
        "spark.driver.memory": "1g",
    }
    session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    yield session
    session.stop()


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_spark_gives_the_retention_of_the_api(
    spark: Any, owner: psycopg.Connection, postgres: Postgres, database: str, query: Service, tmp_path: Path
) -> None:
    store_examples(Stored(owner, tmp_path), owner)
    target = tmp_path / "lake"
    exported = CliRunner().invoke(lake, ["export", str(target)], env={"DATABASE_URL": postgres.url(database, "query")})
    assert exported.exit_code == 0, exported.output
    found = run_example("Spark", target, spark=spark)["retention"]
    assert [tuple(row) for row in found] == ask_retention(query.url)
