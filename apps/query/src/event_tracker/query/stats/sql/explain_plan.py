"""Summarises PostgreSQL's plan of a query, for `explain=true`."""

from collections.abc import Iterator
from typing import Any

import msgspec

Node = dict[str, Any]

SCANS_OF_EVENTS = "events_"
"""The names of the partitions of `events` begin with it, and those of no other table."""


class Plan(msgspec.Struct, frozen=True, tag_field="engine", tag="postgresql"):
    """What `explain=true` adds to a response.

    Attributes:
        statement: the name of the statement in queries.sql.
        milliseconds: PostgreSQL's time, including the overhead of measuring.
        indexes: those used, sorted.
        rows_read: rows that scans returned or filtered out.
        partitions: how many partitions of `events` were read, and how many were pruned.
        plan: EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON).
    """

    statement: str
    milliseconds: float
    indexes: list[str]
    rows_read: int
    partitions: dict[str, int]
    plan: Node


def read_plan(statement: str, explained: Node, partitions: int) -> Plan:
    """Summarise a plan.

    Args:
        explained: the single element of EXPLAIN's output.
        partitions: how many partitions `events` has.
    """
    nodes = list(_nodes(explained["Plan"]))
    read = {
        node["Relation Name"]
        for node in nodes
        if node.get("Relation Name", "").startswith(SCANS_OF_EVENTS) and node["Actual Loops"]
    }
    return Plan(
        statement,
        explained["Planning Time"] + explained["Execution Time"],
        sorted({node["Index Name"] for node in nodes if "Index Name" in node and node["Actual Loops"]}),
        sum(_rows(node) for node in nodes if "Relation Name" in node),
        {"read": len(read), "pruned": partitions - len(read)},
        explained["Plan"],
    )


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _rows(node: Node) -> int:
    """Rows that a node has read. PostgreSQL reports means per loop."""
    each: float = (
        node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    )
    return round(each * int(node["Actual Loops"]))
