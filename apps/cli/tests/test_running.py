"""How commands find the services of `tracker up`, and to which services they send its secrets."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from event_tracker.cli.commands import cli
from event_tracker.cli.local.data_folder import locked_folder
from event_tracker.cli.local.running import KEY_FILE, TOKEN_FILE, URLS_FILE, announce_urls, find_shadowed
from event_tracker.cli.local.system_account import confirm_changes
from event_tracker.cli.options import COLLECTOR, QUERY, collector_options, query_options

URLS = {"collector": "http://127.0.0.1:1", "query": "http://127.0.0.1:2", "dashboard": "http://127.0.0.1:3"}


@click.command()
@query_options
def ask(query: str, token: str | None) -> None:
    click.echo(f"{query} {token}")


@click.command()
@collector_options
def send(collector: str, write_key: str | None) -> None:
    click.echo(f"{collector} {write_key}")


def run(command: click.Command, *options: object, **environment: str | None) -> str:
    nothing = dict.fromkeys(("QUERY_URL", "COLLECTOR_URL", "API_TOKEN", "WRITE_KEY", "TRACKER_DATA"))
    done = CliRunner().invoke(command, list(map(str, options)), env=nothing | environment)
    assert done.exit_code == 0, done.output
    return done.output.strip()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / ".data"
    folder.mkdir()
    (folder / TOKEN_FILE).write_text("rt_local")
    (folder / KEY_FILE).write_text("wk_local")
    return folder


def test_services_are_found_from_any_folder_below_while_they_run(data, monkeypatch):
    below = data.parent / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    with announce_urls(data, URLS):
        assert run(ask) == f"{URLS['query']} rt_local"
        assert run(send) == f"{URLS['collector']} wk_local"
    assert run(ask) == f"{QUERY} None"
    assert run(send) == f"{COLLECTOR} None"


def test_services_are_found_by_the_folder_that_is_named(data, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with announce_urls(data, URLS):
        assert run(ask, "--data", data) == f"{URLS['query']} rt_local"
        assert run(ask, TRACKER_DATA=str(data)) == f"{URLS['query']} rt_local"
        assert run(ask) == f"{QUERY} None"


def test_a_start_below_a_folder_that_one_runs_on_says_so(data):
    below = data.parent / "below"
    below.mkdir()
    with socket.socket() as taken, locked_folder(data), announce_urls(data, URLS):
        taken.bind(("127.0.0.1", 0))
        up = [sys.executable, "-m", "event_tracker.cli", "up", "--collector-port", str(taken.getsockname()[1])]
        environment = {name: value for name, value in os.environ.items() if name != "TRACKER_DATA"}
        done = subprocess.run(up, cwd=below, env=environment, capture_output=True, text=True, timeout=60, check=False)
    said = f"`tracker up` already runs on {data} (collector {URLS['collector']}, query service {URLS['query']})"
    assert said in done.stderr
    assert f"data of its own in {below / '.data'}" in done.stderr
    assert "can't be used" in done.stderr


def test_one_that_was_killed_doesnt_run_above(data, monkeypatch):
    below = data.parent / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    monkeypatch.delenv("TRACKER_DATA", raising=False)
    with announce_urls(data, URLS):
        (data / "lock").touch()
        assert find_shadowed(below / ".data") is None
        with locked_folder(data):
            assert find_shadowed(below / ".data")[0] == data
            assert find_shadowed(data) is None


def test_a_folder_that_is_named_and_on_which_nothing_runs_is_an_error(data):
    done = CliRunner().invoke(ask, ["--data", str(data)])
    assert done.exit_code == 1
    assert f"no `tracker up` runs on {data}" in done.output


def test_what_is_kept_for_the_local_services_is_sent_to_no_others(data):
    with announce_urls(data, URLS):
        assert run(ask, "--data", data, "--query", "http://other.example") == "http://other.example None"
        assert run(send, "--data", data, COLLECTOR_URL="http://other.example") == "http://other.example None"


def test_a_token_that_is_given_goes_before_the_one_that_is_kept(data):
    with announce_urls(data, URLS):
        assert run(ask, "--data", data, API_TOKEN="rt_given") == f"{URLS['query']} rt_given"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_folder_above_of_another_account_is_not_taken(data, monkeypatch):
    monkeypatch.chdir(data.parent)
    with announce_urls(data, URLS):
        os.chown(data / URLS_FILE, 12345, 12345)
        assert run(ask) == f"{QUERY} None"


def test_a_misspelt_command_is_guessed():
    done = CliRunner().invoke(cli, ["top-tpyes"])
    assert done.exit_code == 2
    assert "Did you mean 'top-types'?" in done.output
    done = CliRunner().invoke(cli, ["key", "crate"])
    assert "Did you mean 'create'?" in done.output


def test_every_option_that_was_meant_is_named():
    done = CliRunner().invoke(cli, ["up", "--port", "9000"])
    assert done.exit_code == 2
    for option in ("--collector-port", "--query-port", "--dashboard-port"):
        assert option in done.output
    assert "Did you mean '--demo'?" in CliRunner().invoke(cli, ["up", "--dem0"]).output


def test_help_describes_commands_in_whole_sentences():
    for arguments in (["--help"], ["key", "--help"]):
        commands = CliRunner().invoke(cli, arguments).output.partition("Commands:")[2]
        assert commands
        assert "..." not in commands


def test_what_root_changes_outside_the_project_is_said(tmp_path, capsys):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    confirm_changes(closed / "data" / "postgres", closed / "data")
    assert f"lets all accounts pass through {closed}, but not list it" in capsys.readouterr().out
