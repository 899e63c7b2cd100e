"""Values of every type, in JSON, CSV and Arrow."""

import csv
import io
import json

import pyarrow as pa
import pytest
import requests

VALUES = {
    "true": ("BOOLEAN", True),
    "127::tinyint": ("TINYINT", 127),
    "9223372036854775807": ("BIGINT", 2**63 - 1),
    "18446744073709551615::ubigint": ("UBIGINT", 2**64 - 1),
    "170141183460469231731687303715884105727::hugeint": ("HUGEINT", 2**127 - 1),
    "(-170141183460469231731687303715884105728)::hugeint": ("HUGEINT", -(2**127)),
    "340282366920938463463374607431768211455::uhugeint": ("UHUGEINT", 2**128 - 1),
    "123456789012345678901234567890::bignum": ("BIGNUM", "123456789012345678901234567890"),
    "1.5::double": ("DOUBLE", 1.5),
    "1e308::double": ("DOUBLE", 1e308),
    "'inf'::double": ("DOUBLE", "Infinity"),
    "'-inf'::float": ("FLOAT", "-Infinity"),
    "'nan'::double": ("DOUBLE", "NaN"),
    "1.50": ("DECIMAL(3,2)", 1.5),
    "'x'": ("VARCHAR", "x"),
    "''": ("VARCHAR", ""),
    "'é \U0001f600 \"\\ '": ("VARCHAR", 'é \U0001f600 "\\ '),
    "chr(0) || 'x'": ("VARCHAR", "\0x"),
    "null": ("NULL", None),
    "'\\xAA\\x00z'::blob": ("BLOB", "\\xAA\\x00z"),
    "'0101'::bit": ("BIT", "0101"),
    "'a'::enum('a', 'b')": ("ENUM('a', 'b')", "a"),
    "'00000000-0000-0000-0000-00000000000a'::uuid": ("UUID", "00000000-0000-0000-0000-00000000000a"),
    "date '2026-03-01'": ("DATE", "2026-03-01"),
    "'0044-03-15 (BC)'::date": ("DATE", "0044-03-15 (BC)"),
    "'infinity'::date": ("DATE", "infinity"),
    "time '10:00:00.5'": ("TIME", "10:00:00.5"),
    "timestamp '2026-03-01 10:00:00'": ("TIMESTAMP", "2026-03-01 10:00:00"),
    "timestamp_ns '2026-03-01 10:00:00.123456789'": ("TIMESTAMP_NS", "2026-03-01 10:00:00.123456789"),
    "'290000-01-01'::timestamp": ("TIMESTAMP", "290000-01-01 00:00:00"),
    "timestamptz '2026-03-01 10:00:00.25+01'": ("TIMESTAMP WITH TIME ZONE", "2026-03-01T09:00:00.25Z"),
    "'infinity'::timestamptz": ("TIMESTAMP WITH TIME ZONE", "infinity"),
    "interval '14 months 3 days 1 second'": ("INTERVAL", "1 year 2 months 3 days 00:00:01"),
    "[1, null, 3]": ("INTEGER[]", [1, None, 3]),
    "[1, 2]::integer[2]": ("INTEGER[2]", [1, 2]),
    "{'a': {'b': [{'c': 1.5::double}]}}": ("STRUCT(a STRUCT(b STRUCT(c DOUBLE)[]))", {"a": {"b": [{"c": 1.5}]}}),
    "['nan'::double, 'inf'::double]": ("DOUBLE[]", ["NaN", "Infinity"]),
    "[170141183460469231731687303715884105727::hugeint]": ("HUGEINT[]", [2**127 - 1]),
    "map(['a', 'b'], [1, 2])": ("MAP(VARCHAR, INTEGER)", {"a": 1, "b": 2}),
    "map([1, 2], ['x', null])": ("MAP(INTEGER, VARCHAR)", {"1": "x", "2": None}),
    "union_value(k := 1)": ("UNION(k INTEGER)", {"k": 1}),
    "'x'::variant": ("VARIANT", "x"),
    "{'a': 1}::variant": ("VARIANT", {"a": 1}),
    """'{"a": [1, 2.5, null, "x"]}'::json""": ("JSON", {"a": [1, 2.5, None, "x"]}),
    "'NaN'::json": ("JSON", "NaN"),
    "'[1,]'::json": ("JSON", "[1,]"),
    "'1e999'::json": ("JSON", "Infinity"),
    "('[' || repeat('[', 3000) || repeat(']', 3000) || ']')::json": ("JSON", "[" * 3001 + "]" * 3001),
}


def refuse_constant(text: str) -> None:
    raise AssertionError(f"{text} isn't JSON")


@pytest.fixture(scope="module")
def answer(sql_query):
    """All values in one statement."""
    sql = "select " + ", ".join(f"{expression} as c{place}" for place, expression in enumerate(VALUES))
    found = requests.post(f"{sql_query.url}/sql", json={"sql": sql}, timeout=60)
    assert found.status_code == 200, found.text
    return json.loads(found.content, parse_constant=refuse_constant)


@pytest.mark.parametrize("expression", VALUES)
def test_json(answer, expression):
    place = list(VALUES).index(expression)
    kind, value = VALUES[expression]
    assert answer["columns"][place] == {"name": f"c{place}", "type": kind}
    assert answer["rows"][0][place] == value


def test_decimals_keep_their_digits(post_sql):
    text = post_sql("select '12345678901234567890123456789.012345678'::decimal(38, 9) as x").text
    assert '"rows":[[12345678901234567890123456789.012345678]]' in text


def test_times_are_in_the_zone(rows):
    assert rows("select timestamptz '2026-07-01 10:00:00+00'", tz="Europe/Paris") == [["2026-07-01T12:00:00+02:00"]]


def test_columns_of_one_name(post_sql):
    columns = post_sql('select 1 as a, 2 as a, 3 as "b c"').json()["columns"]
    assert [column["name"] for column in columns] == ["a", "a_1", "b c"]


def test_columns_of_one_name_in_arrow(post_sql):
    answer = post_sql("select 1 as a, 2 as a, 3 as a_1, 4 as A", format="arrow")
    names = pa.ipc.open_stream(answer.content).schema.names
    assert names[0] == "a"
    assert len({name.casefold() for name in names}) == 4


def test_csv(post_sql):
    sql = """select 'a,"b"' as "t,x", null as n, [1, 2] as l, 1.50 as d, true as b, 'inf'::double as f, 'é' as u"""
    answer = post_sql(sql, format="csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert (answer.headers["X-Row-Count"], answer.headers["X-Truncated"]) == ("1", "false")
    assert list(csv.reader(io.StringIO(answer.content.decode()))) == [
        ["t,x", "n", "l", "d", "b", "f", "u"],
        ['a,"b"', "", "[1,2]", "1.50", "true", "Infinity", "é"],
    ]


def test_arrow(post_sql):
    sql = "select x, x * 1.5::double as y, [x] as l, timestamptz '2026-03-01 00:00:00+00' as t, 'v' as x from range(3) r(x)"
    answer = post_sql(sql, format="arrow", limit=2)
    assert answer.headers["Content-Type"] == "application/vnd.apache.arrow.stream"
    assert (answer.headers["X-Row-Count"], answer.headers["X-Truncated"]) == ("2", "true")
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column_names == ["x", "y", "l", "t", "x_1"]
    assert table.column("y").to_pylist() == [0.0, 1.5]
    assert table.column("l").to_pylist() == [[0], [1]]
