"""SQL is static text with parameters: nowhere in the apps is a statement put together from strings. Read with `ast`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(ROOT.glob("apps/*/src/**/*.py"))

TAKES_SQL = {"execute", "executemany", "SQL", "copy"}
"""Functions whose first argument is a statement; core.pool's `execute` takes it second."""


def mistakes(source: str) -> list[int]:
    """The lines where a statement is put together from strings."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and name_of(call.func) in TAKES_SQL:
            place = 1 if isinstance(call.func, ast.Name) and call.func.id == "execute" else 0
            if len(call.args) > place and is_put_together(call.args[place]):
                found.append(call.lineno)
    return found


def name_of(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def is_put_together(statement: ast.expr) -> bool:
    match statement:
        case ast.JoinedStr():
            return any(isinstance(part, ast.FormattedValue) for part in statement.values)
        case ast.BinOp(op=ast.Add() | ast.Mod()):
            return True
        case ast.Call(func=ast.Attribute(attr="format", value=value)):
            return not is_composed(value)
        case ast.Call(func=ast.Attribute(attr="encode" | "join" | "replace", value=value)):
            return is_put_together(value) or (
                isinstance(statement.func, ast.Attribute) and statement.func.attr != "encode"
            )
        case _:
            return False


def is_composed(value: ast.expr) -> bool:
    """psycopg's sql.SQL(...), whose `format` quotes."""
    return isinstance(value, ast.Call) and name_of(value.func) == "SQL"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_statements_are_static(file):
    assert mistakes(file.read_text()) == []


@pytest.mark.parametrize(
    "bad",
    [
        'connection.execute(f"select {name}")',
        'connection.execute("select " + name)',
        'connection.execute("select %s" % name)',
        'connection.execute("select {}".format(name))',
        'connection.execute(f"select {name}".encode())',
        'connection.execute(" ".join(parts))',
        'sql.SQL(f"select {name}")',
        'execute(pool, f"select {name}", {})',
        'cursor.executemany("insert into t values (" + values + ")", rows)',
        'cursor.copy(f"copy {table} from stdin")',
    ],
)
def test_what_is_put_together_is_found(bad):
    assert mistakes(bad) == [1]


@pytest.mark.parametrize(
    "good",
    [
        'connection.execute("select %s", [name])',
        'connection.execute(QUERIES["name"], parameters)',
        'connection.execute(sql.SQL("select {}").format(sql.Identifier(name)))',
        'connection.execute(f"select 1")',
        "execute(pool, STATEMENT, parameters)",
    ],
)
def test_what_is_static_is_not(good):
    assert mistakes(good) == []
