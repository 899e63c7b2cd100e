"""Behind the check of statements: what one could do in its process if the check let it through.

DuckDB's limits and the kernel's are tried each without the other.
"""

import subprocess
import sys

import duckdb
import pytest

PROGRAM = """
import sys
import duckdb
from event_tracker.query.sql.sandbox.__main__ import CONFIG, _open
from event_tracker.query.sql.sandbox.limits import confine, end_with_parent
from event_tracker.query.sql.sandbox.messages import Data

end_with_parent()
connection = duckdb.connect(":memory:", config=CONFIG)
connection.execute("set memory_limit = '64MB'")
_open(connection, Data(sys.argv[1]))
if sys.argv[2] == "kernel":
    confine(2**26, 5)
    try:
        print(eval(sys.argv[3]))
    except OSError as error:
        print(f"refused {error.errno}")
else:
    try:
        print(connection.execute(sys.argv[3]).fetchall())
    except duckdb.Error as error:
        print(f"refused {type(error).__name__}")
"""

FILES = [
    "select * from read_text('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "select * from read_parquet('/tmp/x.parquet')",
    "select * from read_blob('{file}')",
    "select * from glob('/*')",
    "select * from '{file}'",
    "select * from parquet_metadata('/tmp/x.parquet')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from read_duckdb('{file}')",
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


def run(file, kind: str, code: str) -> str:
    program = [sys.executable, "-I", "-c", PROGRAM, str(file), kind, code]
    return subprocess.run(program, capture_output=True, text=True, env={}, timeout=60).stdout


def test_what_it_may_read(file):
    assert run(file, "sql", "select * from events").strip() == "[(1,)]"


@pytest.mark.parametrize("sql", FILES)
def test_the_process_refuses(file, sql):
    assert run(file, "sql", sql.format(file=file)).startswith("refused ")


@pytest.mark.parametrize("code", KERNEL)
def test_the_kernel_refuses(file, code):
    """Whatever DuckDB would do: no file, no socket, no pipe."""
    assert run(file, "kernel", code).strip() == "refused 24"


def test_memory_that_duckdb_does_not_count(file):
    assert "MemoryError" in run(file, "kernel", "bytes(2**29)") or run(file, "kernel", "bytes(2**29)") == ""


def test_it_has_no_environment(file):
    assert run(file, "kernel", "dict(__import__('os').environ).keys() - {'LC_CTYPE'}").strip() == "set()"
