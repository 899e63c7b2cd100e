"""Behind the check of statements: what one could do in its process if the check let it through.

DuckDB's limits and the kernel's are tried each without the other.
"""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

PROGRAM = """
import json
import sys
import duckdb
from event_tracker.query.sql.sandbox.__main__ import CONFIG, _open
from event_tracker.query.sql.sandbox.limits import confine, harden_process
from event_tracker.query.sql.sandbox.messages import Data

harden_process()
connection = duckdb.connect(":memory:", config=CONFIG)
connection.execute("set memory_limit = '64MB'")
_open(connection, Data(sys.argv[1]))
if sys.argv[2] == "kernel":
    confine(2**26, 5)

def run(code):
    return eval(code) if sys.argv[2] == "kernel" else connection.execute(code).fetchall()

for code in json.loads(sys.argv[3]):
    try:
        print(json.dumps(str(run(code))))
    except (OSError, MemoryError) as error:
        print(json.dumps(f"refused {getattr(error, 'errno', 'memory')}"))
    except duckdb.Error as error:
        print(json.dumps(f"refused {type(error).__name__}"))
"""

FILES = [
    "select * from read_text('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "select * from read_parquet('/tmp/x.parquet')",
    "select * from glob('/*')",
    "select * from parquet_metadata('/tmp/x.parquet')",
    "select * from sniff_csv('/etc/passwd')",
    "copy events to '/tmp/sql-attack.csv'",
    "copy (select 1) to '/dev/stdout'",
    "export database '/tmp/sql-attack'",
    "attach '/tmp/sql-attack.duckdb' as x",
    "attach '{file}' as again",
    "install httpfs",
    "load httpfs",
    "select * from 'https://example.com/x.parquet'",
    "set enable_external_access = true",
    "set allowed_directories = ['/']",
    "set lock_configuration = false",
    "set memory_limit = '100GB'",
    "set temp_directory = '/tmp'",
    "set python_enable_replacements = true",
    "select * from connection",
    "insert into events values (2)",
    "create table data.main.x (i int)",
    "drop table events",
    "select getenv('PATH')",
]

OWN_FILE = ["select * from read_blob('{file}')", "select * from '{file}'", "select * from read_duckdb('{file}')"]
"""DuckDB allows what reads an attached file again. It has nothing that isn't in the views, but the kernel refuses that, too."""

KERNEL = [
    "open('/etc/passwd')",
    "__import__('socket').socket()",
    "__import__('os').pipe()",
    "open('/tmp/sql-attack', 'w')",
]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("copies") / "copy.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create table events as select 1 as user_id")
    return path


def run(file: Path, kind: str, codes: list[str]) -> dict[str, str]:
    """What a confined process says to each of some statements, or expressions of Python."""
    program = [sys.executable, "-I", "-c", PROGRAM, str(file), kind, json.dumps(codes)]
    said = subprocess.run(program, capture_output=True, text=True, env={}, timeout=120, check=True).stdout
    return dict(zip(codes, map(json.loads, said.splitlines()), strict=True))


def test_duckdb_refuses(file):
    statements = [sql.format(file=file) for sql in FILES]
    said = run(file, "sql", ["select * from events", *statements])
    assert said["select * from events"] == "[(1,)]"
    assert {sql: said[sql] for sql in statements if not said[sql].startswith("refused ")} == {}


def test_the_kernel_refuses(file):
    """Whatever DuckDB would do: no file, no socket, no pipe."""
    read = "connection.execute('select * from events').fetchall()"
    again = [f"connection.execute({sql.format(file=file)!r})" for sql in OWN_FILE]
    said = run(file, "kernel", [read, *KERNEL, *again, "bytes(2**29)"])
    assert said.pop(read) == "[(1,)]"
    assert said == {
        **dict.fromkeys(KERNEL, "refused 24"),
        **dict.fromkeys(again, "refused IOException"),
        "bytes(2**29)": "refused memory",
    }


def test_it_has_no_environment(file):
    (names,) = run(file, "kernel", ["sorted(__import__('os').environ)"]).values()
    assert names in ("[]", "['LC_CTYPE']")
