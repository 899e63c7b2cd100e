"""`tracker sql` on a real query service."""

import csv
import io
import json

import pytest
import requests
from click.testing import CliRunner
from signing_key import make_signing_key

from event_tracker.cli.ask.sql import sql
from event_tracker.core.secrets.keys import make_key


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
    assert shown.stderr == "1 row.\n"
    assert run("select * from range(2)").stderr == "2 rows.\n"


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


@pytest.fixture
def run_guarded(postgres, shared_database, guarded_sql, shared_owner):
    """run("--list") with a token of its own, on a service that keeps queries."""
    shared_owner.execute("truncate saved_queries")
    key = make_key("rt")
    shared_owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{sql}')", [key.prefix, key.hash]
    )

    def run(*arguments: str, code: int = 0, given: str | None = None):
        options = [*arguments, "--query", guarded_sql.url, "--token", key.key]
        shown = CliRunner().invoke(sql, options, input=given, env={"COLUMNS": "150"})
        assert shown.exit_code == code, shown.output
        return shown

    return run


@pytest.fixture(scope="module")
def guarded_sql(postgres, shared_database, tmp_path_factory, launcher):
    given = {"CONTROL_DATABASE_URL": postgres.url(shared_database, "control"), "SIGNING_KEY": make_signing_key()}
    with launcher(tmp_path_factory.mktemp("guarded")) as start:
        yield start("query", DATABASE_URL=postgres.url(shared_database, "query"), SQL="on", AUTH="required", **given)


def test_a_statement_is_saved_once_it_has_run_and_run_by_its_name(run_guarded):
    assert run_guarded("select 42 as x", "--save", "answer", "--format", "csv").stdout.split() == ["x", "42"]
    run_guarded("-", "--save", "lines", given="select 1 as a,\n  2 as b\n")
    run_guarded("select nope", "--save", "wrong", code=2)
    refused = run_guarded("select 43 as x", "--save", "not a name", "--format", "csv", code=2)
    assert refused.stdout.split()[:2] == ["x", "43"]
    assert run_guarded("--saved", "answer", "--format", "csv").stdout.split() == ["x", "42"]
    listed = run_guarded("--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["name", "answer", "lines"]
    assert "select 1 as a, 2 as b" in listed[2]


def test_a_name_that_is_not_there_is_told(run_guarded):
    assert "nothing of this name" in run_guarded("--saved", "nope", code=2).output
    assert "404" in run_guarded("--saved", "../etc", code=2).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Give one of STATEMENT, --saved NAME and --list"),
        (["select 1", "--saved", "x"], "Give one of STATEMENT"),
        (["--saved", "x", "--save", "y"], "--save is of a STATEMENT"),
    ],
)
def test_wrong_usage_is_told(arguments, said):
    shown = CliRunner().invoke(sql, arguments)
    assert (shown.exit_code, said in shown.output) == (2, True), shown.output
