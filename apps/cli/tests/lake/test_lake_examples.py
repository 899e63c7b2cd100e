"""The examples of docs/lake.md, run on a lake, say what the API says."""

import pytest
from lake_examples import ask_days, ask_retention, ask_sessions, run_example, store_examples


@pytest.fixture
def target(stored, owner, run, tmp_path):
    store_examples(stored, owner)
    run("export", tmp_path / "lake")
    return tmp_path / "lake"


def test_duckdb_pandas_and_polars_give_the_numbers_of_the_api(query, target):
    retention = run_example("DuckDB", target)["retention"]
    expected = ask_retention(query.url)
    assert len(expected) > 5
    assert [(first.date(), after, users) for first, after, users in retention] == expected
    assert run_example("pandas", target)["sessions"] == ask_sessions(query.url) > 100
    assert run_example("polars", target)["days"] == ask_days(query.url)
