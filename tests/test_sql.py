"""SQL is static text with parameters: nowhere in the apps is a statement put together from strings. Read with `ast`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PEOPLES = ROOT / "apps/query/src/event_tracker/query/sql/sandbox/statements.py"
"""It runs the statements that people write, in a process that can do nothing else (docs/adr/0021-sql-in-a-process.md)."""

SOURCES = sorted({*ROOT.glob("apps/*/src/**/*.py")} - {PEOPLES})

TAKES_SQL = {"execute", "executemany", "SQL", "copy", "stream"}
"""Functions that take a statement: first, or, as event_tracker.core.postgres.pool's `execute` does, second; or by one of NAMES."""

NAMES = {"query", "statement", "string", "sql"}

Assigned = dict[str, list[ast.expr]]
"""What each name of a file is given somewhere in it."""


def mistakes(source: str) -> list[int]:
    """The lines where a statement is put together from strings."""
    tree = ast.parse(source)
    assigned = assignments(tree)
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node.func) in TAKES_SQL)
    return [call.lineno for call in calls if any(is_put_together(part, assigned) for part in statements(call))]


def assignments(tree: ast.AST) -> Assigned:
    found: Assigned = {}
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        match node:
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
                targets = [target]
            case ast.AugAssign(target=target, value=value):
                targets, value = [target], ast.BinOp(target, ast.Add(), value)
        for target in targets:
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(value)
    return found


def statements(call: ast.Call) -> list[ast.expr]:
    """The arguments that may be the statement. What comes second is one if it is text: otherwise it is parameters."""
    second = [part for part in call.args[1:2] if is_text(part) or isinstance(part, ast.Name)]
    return [*call.args[:1], *second, *(keyword.value for keyword in call.keywords if keyword.arg in NAMES)]


def is_text(part: ast.expr) -> bool:
    match part:
        case ast.JoinedStr() | ast.Constant(value=str()):
            return True
        case ast.BinOp(left=left, right=right):
            return is_text(left) or is_text(right)
        case ast.Call(func=ast.Attribute(value=value)):
            return is_text(value)
        case ast.IfExp(body=body, orelse=orelse):
            return is_text(body) or is_text(orelse)
        case _:
            return False


def name_of(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def is_put_together(statement: ast.expr, assigned: Assigned, seen: frozenset[str] = frozenset()) -> bool:
    def inner(part: ast.expr) -> bool:
        return is_put_together(part, assigned, seen)

    match statement:
        case ast.JoinedStr():
            return any(isinstance(part, ast.FormattedValue) for part in statement.values)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return not (is_composed(left) and is_composed(right))
        case ast.BinOp(op=ast.Mod(), left=left):
            return is_text(left) or isinstance(left, ast.Name)
        case ast.IfExp(body=body, orelse=orelse):
            return inner(body) or inner(orelse)
        case ast.Call(func=ast.Attribute(attr="format" | "join", value=value)):
            return not is_composed(value)
        case ast.Call(func=ast.Attribute(attr="replace")):
            return True
        case ast.Call(func=ast.Attribute(value=value)):
            return inner(value)
        case ast.Name(id=name) if name not in seen:
            seen |= {name}
            return any(is_put_together(value, assigned, seen) for value in assigned.get(name, []))
        case _:
            return False


def is_composed(value: ast.expr) -> bool:
    """psycopg's sql.SQL(...), whose `format` and `join` quote; and what is made of it."""
    match value:
        case ast.Call(func=ast.Attribute(attr="format" | "join", value=inner)):
            return is_composed(inner)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return is_composed(left) and is_composed(right)
        case ast.Call():
            return name_of(value.func) in ("SQL", "Composed", "Identifier", "Literal")
        case _:
            return False


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
        'connection.execute(query=f"select {name}")',
        'text = f"select {name}"; connection.execute(text)',
        'text = "select "; text += name; connection.execute(text)',
        'connection.execute(f"select {name}" if name else "select 1")',
        'connection.execute(f"select {name}".strip())',
        'event_tracker.core.postgres.pool.execute(pool, f"select {name}", {})',
        'connection.execute("select 1" if one else "select " + two)',
        'sql.SQL("select ") + name; connection.execute(sql.SQL("select ") + name)',
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
        'connection.execute(sql.SQL("select ") + sql.SQL("1"))',
        'connection.execute(sql.SQL(", ").join(parts))',
        'connection.execute("select %s", first + second)',
        'text = "select 1"; connection.execute(text)',
        'text = QUERIES["name"]; connection.execute(text, parameters)',
        "execute(pool, STATEMENT, parameters)",
    ],
)
def test_what_is_static_is_not(good):
    assert mistakes(good) == []
