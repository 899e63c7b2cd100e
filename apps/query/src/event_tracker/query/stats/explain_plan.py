"""How a question was answered: PostgreSQL's plan, and what it says in short."""

from collections.abc import Iterator
from typing import Any

import msgspec

Node = dict[str, Any]

SCANS_OF_EVENTS = "events_"
"""Partitions are named so, and nothing else that is scanned."""


class Plan(msgspec.Struct, frozen=True):
    """What `explain=true` adds to an answer.

    Attributes:
        statement: the name of the statement in queries.sql.
        milliseconds: PostgreSQL's own time, measuring included.
        indexes: those used, sorted.
        rows_read: rows that the scans of tables and indexes returned or filtered out.
        partitions: how many of `events` were read, and how many were not looked at.
        plan: EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON).
    """

    statement: str
    milliseconds: float
    indexes: list[str]
    rows_read: int
    partitions: dict[str, int]
    plan: Node


def read_plan(statement: str, explained: Node, partitions: int) -> Plan:
    """Sum a plan up.

    Args:
        explained: the one element of EXPLAIN's answer.
        partitions: how many `events` has.
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
    """A node's figures are means over its loops."""
    each: float = (
        node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    )
    return round(each * int(node["Actual Loops"]))
