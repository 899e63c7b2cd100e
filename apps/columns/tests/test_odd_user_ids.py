"""User ids of any characters: PostgreSQL writes them as CSV, and DuckDB reads that."""

from dataclasses import replace

import pytest
from stored import DAY, EVERYTHING

IDS = ["\ufeffabc", "\ufeff", "a\r\nb", "a\rb", "\n", "u\nb,5\nb,5", '"', '","', "NULL", "\\N"]


@pytest.mark.parametrize("first", IDS)
def test_the_first_of_a_file_and_others(stored, engine, owner, first):
    for number, user_id in enumerate([first, *IDS]):
        stored.add(user_id=user_id, hour=number, day=1)
    expected = owner.execute("select user_id, first_seen from users order by user_id").fetchall()
    selection = replace(EVERYTHING, first_seen=(EVERYTHING.start, EVERYTHING.end))
    from_rows = engine.run(
        selection, "select user_id, min(timestamp) from events group by user_id order by user_id", {}
    )
    assert from_rows.rows == expected
    stored.build(1)
    from_block = engine.run(
        selection, "select user_id, min(timestamp) from events group by user_id order by user_id", {}
    )
    assert from_block.rows == expected
    assert engine.run(selection, "select user_id, first_seen from first_seen order by user_id", {}).rows == expected


def test_many_with_line_breaks(stored, engine, owner):
    """So many that DuckDB would read the file with several threads."""
    owner.execute(
        "insert into users (user_id, first_seen, last_hour)"
        " select 'u' || n || repeat(E'\\nb,5', 20), %(day)s, %(day)s from generate_series(1, 100000) as n",
        {"day": DAY},
    )
    found = engine.run(
        replace(EVERYTHING, first_seen=(EVERYTHING.start, EVERYTHING.end)),
        "select count(*), min(user_id), max(user_id) from first_seen",
        {},
    )
    assert (
        found.rows
        == owner.execute('select count(*), min(user_id collate "C"), max(user_id collate "C") from users').fetchall()
    )
