"""Where the values of a property are found: in a column of its own (`p0`, `p1` …), or in the JSON of `properties`.

A question names the properties that it is about, and reads their values from columns `property_0`, `property_1` … of the relation
`events`, in that order: texts in their normal form, or null where an event hasn't the property or it is null. Files have different
columns of their own, so `events` is a union of one SELECT for each set of keys (`blocks.keys`; it is empty for files made of rows):

    name_properties(cursor, names)
    select …{property_columns(names, keys)} from read_parquet([…]) union all select …{property_columns(names, ())} from …

Normal form: a number with trailing zeros in its fraction loses them, so that equal values are equal texts (docs/definitions.md, numbers
in any spelling are equal). Columns hold it; `properties` holds texts as PostgreSQL's ->> writes them. To bring a column into normal form
for each question would take ten times as long as to count its values.
"""

from collections.abc import Sequence

import duckdb
from psycopg import sql

from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.columns", "properties.sql")


def name_properties(cursor: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Tell a cursor which properties its question is about. They become values of variables, and no part of a statement."""
    for number, name in enumerate(names):
        statement = sql.SQL(QUERIES["name_property"]).format(variable=sql.Identifier(_variable(number)))
        cursor.execute(statement.as_string(), {"path": json_path(name)})


def property_columns(names: Sequence[str], keys: Sequence[str]) -> sql.Composable:
    """The columns `property_0` … of a SELECT from files, each after a comma.

    Args:
        names: the properties that the question is about, as for `name_properties`.
        keys: those that have a column of their own in these files.
    """
    columns = [
        sql.SQL(", {} as {}").format(_value(number, name, keys), sql.Identifier(f"property_{number}"))
        for number, name in enumerate(names)
    ]
    return sql.Composed(columns)


def json_path(name: str) -> str:
    """A property as a JSON pointer (RFC 6901). In DuckDB's own paths `$`, `*` and `.` in a name would mean something else."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def normal_form(text: sql.Composable) -> sql.Composable:
    """The expression for the normal form of a text."""
    return sql.SQL(QUERIES["normal_form"]).format(text=text)


def own_column(place: int) -> sql.Identifier:
    """The column of the property in this place of `blocks.keys`."""
    return sql.Identifier(f"p{place}")


def _value(number: int, name: str, keys: Sequence[str]) -> sql.Composable:
    if name in keys:
        return own_column(keys.index(name))
    return normal_form(sql.SQL(QUERIES["value_in_json"]).format(variable=sql.Literal(_variable(number))))


def _variable(number: int) -> str:
    return f"property_{number}"
