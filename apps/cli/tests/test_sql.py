"""`tracker sql` on a real query service."""

import csv
import io
import json

import pytest
import requests
from click.testing import CliRunner

from event_tracker.cli.ask.sql import sql


@pytest.fixture(scope="module")
def service(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("sql")) as start:
        yield start("query", DATABASE_URL=postgres.url(shared_database, "query"), SQL="on", SQL_SECONDS="120")


@pytest.fixture
def run(service, shared_owner):
    def run(*arguments: str, given: str | None = None):
        return CliRunner().invoke(sql, [*arguments, "--query", service.url], input=given)

    return run


def test_a_table(run):
    shown = run("select 'a' as word, 1234.50 as number, null as nothing, [1, 2] as list, chr(27) || '[31m' as red")
    assert shown.exit_code == 0, shown.output
    head, row, *_ = shown.output.splitlines()
    assert head.split() == ["word", "number", "nothing", "list", "red"]
    assert row.split() == ["a", "1234.50", "[1,2]", "�[31m"]
    assert "1 rows." in shown.stderr


def test_more_rows_are_said(run):
    shown = run("select * from range(10)", "--limit", "3")
    assert "there are more" in shown.stderr


def test_formats(run):
    assert json.loads(run("select 1 as x", "--format", "json").stdout)["rows"] == [[1]]
    written = run("select 1 as x, 'a,b' as y", "--format", "csv").stdout
    assert list(csv.reader(io.StringIO(written))) == [["x", "y"], ["1", "a,b"]]


def test_from_standard_input(run):
    assert json.loads(run("-", "--format", "json", given="select 2 as x").stdout)["rows"] == [[2]]


def test_options_are_sent(run):
    statement = "select timestamptz '2026-07-01 10:00:00+00' as t"
    found = json.loads(
        run(
            statement,
            "--format",
            "json",
            "--from",
            "2026-03-01",
            "--to",
            "2026-03-02T00:00:00Z",
            "--tz",
            "Europe/Paris",
        ).stdout
    )
    assert (found["from"], found["to"]) == ("2026-02-28T23:00:00Z", "2026-03-02T00:00:00Z")
    assert found["rows"] == [["2026-07-01T12:00:00+02:00"]]
    assert json.loads(run("select 1", "--raw", "--format", "json").stdout)["identity"] == "raw"


def test_errors_are_shown_with_their_place(run):
    shown = run("select nope from events")
    assert shown.exit_code != 0
    assert "line 1, column 8" in shown.output


def test_a_service_without_sql(pair):
    shown = CliRunner().invoke(sql, ["select 1", "--query", pair.query.url])
    assert shown.exit_code != 0
    assert "SQL" in shown.output
    assert requests.get(f"{pair.query.url}/livez", timeout=10).ok
