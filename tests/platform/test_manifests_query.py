"""The query service's memory and its volume: what analytics and statements in SQL take together."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from manifest_checks import amount, problems
from manifests import OVERLAYS, SETS, Object, config_maps, containers, label, named, of_kind, pods, rendered

from event_tracker.query.settings import QuerySettings
from event_tracker.query.sql.sandbox.limits import SLACK_BYTES

SQL_BYTES, SQL_STATEMENT_BYTES = 128 * 2**20, 192 * 2**20
"""Memory of a query service with SQL on, and that of each statement beside SQL_MEMORY_BYTES (docs/deployment.md)."""


def query_sizes(objects: list[Object]) -> Iterator[str]:
    """Analytics have half of the memory, beside what SQL takes; the cache and what statements read fit into the volume."""
    for one, template in pods(objects):
        if one["metadata"]["name"] != "query":
            continue
        maps = set(config_maps(template))
        given: dict[str, Any] = {}
        for config in of_kind(objects, "ConfigMap"):
            given |= config["data"] if config["metadata"]["name"] in maps else {}

        def read(name: str, given: dict[str, Any] = given) -> int:
            return int(given.get(name.upper(), getattr(QuerySettings, name)))

        statements = read("sql_statements") if given.get("SQL") == "on" else 0
        memory = 2 * read("analytics_memory_bytes") + statements * (read("sql_memory_bytes") + SQL_STATEMENT_BYTES)
        memory += SQL_BYTES if statements else 0
        if memory > amount(containers(template)[0]["resources"]["limits"]["memory"]):
            yield f"{label(one)}: analytics and {statements} statements in SQL don't fit into its memory"
        (cache,) = [volume["emptyDir"] for volume in template["spec"]["volumes"] if volume["name"] == "cache"]
        if read("cache_max_bytes") + statements * read("sql_copy_bytes") > amount(cache["sizeLimit"]):
            yield f"{label(one)}: the cache and what {statements} statements in SQL read don't fit into its volume"


@pytest.mark.parametrize("name", [*SETS, *OVERLAYS])
def test_what_the_query_service_takes_fits(name: str) -> None:
    assert problems(rendered(name), query_sizes) == []


def test_what_does_not_fit_is_named() -> None:
    objects = copy.deepcopy(rendered("base and sql"))
    spec = named(objects, "Deployment", "query")["spec"]["template"]["spec"]
    spec["containers"][0]["resources"]["limits"].update(memory="1Gi")
    (cache,) = [volume["emptyDir"] for volume in spec["volumes"] if volume["name"] == "cache"]
    cache.update(sizeLimit="4Gi")
    assert problems(objects, query_sizes) == [
        "Deployment/query: analytics and 2 statements in SQL don't fit into its memory",
        "Deployment/query: the cache and what 2 statements in SQL read don't fit into its volume",
    ]


def test_a_statement_has_what_the_kernel_allows_it() -> None:
    """Beside that: 35 MiB before it is run, and an answer of 16 MiB in the service."""
    assert SLACK_BYTES + (35 + 16) * 2**20 <= SQL_STATEMENT_BYTES
