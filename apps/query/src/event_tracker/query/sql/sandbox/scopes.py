"""Which name behind FROM is that of a query of WITH, as DuckDB looks names up, and which is that of a table."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Node = dict[str, Any]


class TableReference(NamedTuple):
    """A name behind FROM. `is_cte`: a query of WITH has it there, so no table is read."""

    node: Node
    is_cte: bool


def fold(name: str) -> str:
    """Lower case as DuckDB compares names: letters of ASCII alone. Others that become one of these would be taken for another name."""
    return name.encode().lower().decode()


def read_path(table: Node) -> list[str]:
    """The parts of a table's name: catalog, schema, name, as far as they are written."""
    parts = [table["catalog_name"], table["schema_name"], table["table_name"]]
    named = [part for part in parts if part]
    path: list[str] = table.get("qualified_name", {}).get("path", [])
    return max(named, path, key=len)


def find_tables(tree: Any) -> Iterator[TableReference]:
    """All names behind FROM of a tree.

    A query of WITH is seen by those after it and by the query that WITH belongs to, and by what is inside of these. By itself it is seen
    only where it is recursive, and there by its second part.
    """
    unseen: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while unseen:
        node, scope = unseen.pop()
        if isinstance(node, list):
            unseen.extend((value, scope) for value in node)
        if not isinstance(node, dict):
            continue
        if node.get("type") == "BASE_TABLE":
            path = read_path(node)
            yield TableReference(node, len(path) == 1 and fold(path[0]) in scope)
        inside = scope
        for entry in node.get("cte_map", {}).get("map", ()):
            unseen.append((entry["value"], inside))
            inside |= {fold(entry["key"])}
        own = frozenset([fold(node["cte_name"])] if "cte_name" in node else [])
        for key, value in node.items():
            if key in ("left", "query"):  # the first part of a recursive query, and what a CTE_NODE gives a name
                unseen.append((value, inside))
            elif key not in ("cte_map", "type_info"):
                unseen.append((value, inside | own))
