"""Reads a statement's tree, as DuckDB's parser makes it: what it reads, and whether it may be run. Nothing is run here.

What isn't known is refused: kinds of nodes, tables and table functions are lists of what may be there. Scalar functions work on
values alone; those that tell something of the process are refused by name, though it has nothing to hide.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import msgspec

from event_tracker.query.sql.sandbox.messages import Needs, RefusalError, refuse
from event_tracker.query.sql.sandbox.problems import clean_error
from event_tracker.query.sql.sandbox.scopes import find_tables, fold, read_path

CLASSES = frozenset(
    {
        "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA", "OPERATOR",
        "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW",
    }
)  # fmt: skip
"""Expressions."""

NODES = frozenset(
    {
        "SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE",
        "BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY",
        "ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER",
        "ORDER_DEFAULT", "ASCENDING", "DESCENDING",
    }
)  # fmt: skip
"""Everything else that has a type: queries, what follows FROM, and what changes a query's rows."""

TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree"})

REFUSED = re.compile(
    "getenv|getvariable|version|write_log|sleep_ms|setval|nextval|currval|get_block_size|in_search_path|txid_current|stats|index_key|"
    "query|query_table|json_execute_serialized_sql|json_serialize_plan|parse_duckdb_log_message|session_user|user|"
    "current_(setting|database|catalog|schemas?|query|query_id|connection_id|transaction_id|user|role)|"
    "(pg|duckdb|inet|pragma)_.*|has_.*_privilege|read_.*|.*_scan"
)
"""Functions that tell of the process or change it."""

SPACE = r"(?>\s+|--[^\n]*|/\*(?>.*?\*/))*+"
"""Space and comments. It never goes back, which would take exponential time for many comments."""

EXPLAIN = re.compile(rf"{SPACE}explain\b{SPACE}(analyze\b)?", re.IGNORECASE | re.DOTALL)

MAX_PROPERTIES = 32
"""Properties that are read one by one; beyond that, all are read."""

BY_NAME = frozenset({"->>", "json_extract_string"})
"""Functions that answer null both for a property that isn't there and for one that is null. `json_extract` tells them apart, and where
properties are read by their names, all of these are there.
"""


class Checked(NamedTuple):
    """A statement that may be run. `explain` is what is written before it, or empty."""

    text: str
    explain: str
    needs: Needs


def check(connection: duckdb.DuckDBPyConnection, text: str, views: dict[str, list[str]]) -> Checked:
    """Check a statement, which reads these views: name → columns.

    Raises:
        RefusalError: if it may not be run.
    """
    statement = _only_statement(connection, text)
    explain = ""
    query = statement.query
    if statement.type == duckdb.StatementType.EXPLAIN:
        found = EXPLAIN.match(query)
        if not found:
            raise refuse("EXPLAIN is written EXPLAIN SELECT … or EXPLAIN ANALYZE SELECT … here.")
        explain = "explain analyze" if found[1] else "explain"
        query = query[found.end() :]
        statement = _only_statement(connection, query)
    if statement.type != duckdb.StatementType.SELECT:
        raise refuse(f"Only SELECT is allowed, not {statement.type.name}.")
    if statement.named_parameters:
        raise refuse("Write values into the statement: it has no parameters.")
    query = _without_end(statement.query)
    return Checked(query, explain, _read_tree(_parse(connection, query), views))


def _only_statement(connection: duckdb.DuckDBPyConnection, text: str) -> duckdb.Statement:
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise RefusalError(clean_error(error, text)) from None
    if len(statements) != 1:
        raise refuse(f"Must be one statement, not {len(statements)}.")
    return statements[0]


def _without_end(query: str) -> str:
    """The only statement without the semicolons behind it, and what follows them."""
    encoded = query.encode()
    ends = (
        place
        for place, kind in duckdb.tokenize(query)
        if kind == duckdb.token_type.operator and encoded[place : place + 1] == b";"
    )
    return encoded[: next(ends, None)].decode()


def _parse(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    try:
        ((tree,),) = connection.execute("select json_serialize_sql($query)", {"query": query}).fetchall()
    except duckdb.Error as error:
        raise RefusalError(clean_error(error, query)) from None
    read = msgspec.json.decode(tree)
    if read["error"]:
        raise refuse("Only SELECT is allowed here, without PIVOT and UNPIVOT.")
    return read["statements"]


def _walk(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a tree. Types have no expressions."""
    unseen = [tree]
    while unseen:
        node = unseen.pop()
        if isinstance(node, dict):
            yield node
            unseen.extend(value for key, value in node.items() if key != "type_info")
        elif isinstance(node, list):
            unseen.extend(node)


def _read_tree(tree: Any, views: dict[str, list[str]]) -> Needs:
    nodes = list(_walk(tree))
    for node in nodes:
        _check_node(node)
    references = list(find_tables(tree))
    used = {_view_name(table, views) for table, is_cte in references if not is_cte}
    whole, names = _read_names(nodes, [table for table, _ in references])
    columns = {
        view: [name for name in views[view] if whole or name in names] or views[view][:1] for view in sorted(used)
    }
    return Needs(columns, None if whole else _read_properties(nodes))


def _check_node(node: dict[str, Any]) -> None:
    kind = node.get("type")
    if "class" in node:
        if node["class"] not in CLASSES:
            raise refuse(f"This isn't allowed here: {node['class']}.")
        if node["class"] in ("FUNCTION", "WINDOW"):
            _check_function(node)
    elif isinstance(kind, str) and kind not in NODES:
        raise refuse(f"This isn't allowed here: {kind.removesuffix('_NODE').removesuffix('_REF')}.")
    if kind == "TABLE_FUNCTION":
        name = node["function"].get("function_name", "")
        if name.casefold() not in TABLE_FUNCTIONS:
            allowed = ", ".join(sorted(TABLE_FUNCTIONS))
            raise refuse(f"{name} isn't allowed after FROM. Of functions, these are: {allowed}.")


def _check_function(node: dict[str, Any]) -> None:
    names = {node["function_name"], *node.get("qualified_name", {}).get("path", [])[-1:]}
    for name in names:
        if REFUSED.fullmatch(name.casefold()):
            raise refuse(f"The function {name} isn't allowed here.")


def _view_name(table: dict[str, Any], views: dict[str, list[str]]) -> str:
    path = read_path(table)
    if len(path) != 1 or fold(path[0]) not in views:
        raise refuse(f"There is no view {'.'.join(path)}. There are {', '.join(views)}.")
    return fold(path[0])


def _read_names(nodes: list[dict[str, Any]], tables: list[dict[str, Any]]) -> tuple[bool, set[str]]:
    """Whether all columns may be read, and the names of those that are: more than are read, but never less."""
    names: set[str] = set()
    for node in nodes:
        for value in node.values():
            texts = value if isinstance(value, list) else [value]
            names.update(text.casefold() for text in texts if isinstance(text, str))
    whole = any(
        node.get("class") in ("STAR", "POSITIONAL_REFERENCE")
        or node.get("ref_type") == "NATURAL"
        or (node.get("type") == "BASE_TABLE" and node["column_name_alias"])
        for node in nodes
    )
    rows = {str(table[key]).casefold() for table in tables for key in ("table_name", "alias")}
    referred = {node["column_names"][0].casefold() for node in nodes if len(node.get("column_names", ())) == 1}
    return whole or bool(rows & referred), names


def _read_properties(nodes: list[dict[str, Any]]) -> list[str] | None:
    """The properties that are read one by one, by constant names; None if they are read in any other way."""
    found = set()
    named = 0
    for node in nodes:
        if node.get("function_name") in BY_NAME and len(node.get("arguments", ())) == 2:
            column, name = (argument["expression"] for argument in node["arguments"])
            text = name.get("literal", {}).get("text") if name["class"] == "CONSTANT" else None
            if _is_properties(column) and isinstance(text, str) and text and not text.startswith(("$", "/")):
                found.add(text)
                named += 1
    everywhere = sum("properties" in _names_of(node) for node in nodes)
    return sorted(found) if everywhere == named and len(found) <= MAX_PROPERTIES else None


def _is_properties(node: dict[str, Any]) -> bool:
    """Whether this is the column, by itself or of a table. `properties.plan` is a property, and so is `properties.properties`."""
    names = _names_of(node)
    return node.get("class") == "COLUMN_REF" and "properties" not in names[:-1] and names[-1:] == ["properties"]


def _names_of(node: dict[str, Any]) -> list[str]:
    """The names of a reference to a column, or those that a join is made by."""
    return [name.casefold() for key in ("column_names", "using_columns") for name in node.get(key, ())]
