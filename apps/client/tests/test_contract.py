"""Clients that keep the contract pass its cases; one with a single fault fails the case about it."""

import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[1]
DRIVERS = APP / "contract" / "drivers"
BROKEN_BY = {
    "believes_half_an_answer": "answer_cut",
    "drops_on_408": "408",
    "drops_on_413": "413_halves",
    "drops_on_429": "429_retry_after",
    "drops_on_503": "503_without",
    "drops_on_silence": "closed",
    "forgets_one": "many_temporary",
    "gives_up_all_of_207": "some_refused",
    "ignores_dates": "503_retry_after_date",
    "ignores_retry_after": "503_retry_after",
    "never_waits": "503_without",
    "new_ids": "answer_lost",
    "new_times": "answer_lost",
    "no_key": "stored",
    "resends_207": "some_refused",
    "resends_400": "400",
    "silent_about_refusals": "all_refused",
    "spoils_texts": "unicode",
    "takes_202_for_a_failure": "accepted",
    "too_many_bytes": "many_bytes",
    "too_many_events": "many_events",
    "wrong_path": "stored",
}
"""A fault of wrong_client.py → the case that finds it."""

SOME = ["answer_cut", "answer_lost", "expired", "503_retry_after", "some_refused", "413_one", "many_events", "401"]
"""Cases for the command line, whose process takes long to start. It keeps the others, too, but for `silence`."""


def run(*arguments):
    return subprocess.run(
        [sys.executable, APP / "contract", *arguments], capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ([DRIVERS / "python_client.py"], []),
        ([DRIVERS / "tracker_send.py"], [f"--case={case}" for case in SOME]),
        ([APP / "tests" / "wrong_client.py", "none"], []),
    ],
    ids=["python", "tracker-send", "smallest"],
)
def test_it_is_kept_by(driver, options):
    done = run(*options, "--", sys.executable, *driver)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("fault", "case"), BROKEN_BY.items())
def test_it_is_broken_by_a_client_that(fault, case):
    done = run("--case", case, "--", sys.executable, APP / "tests" / "wrong_client.py", fault)
    assert done.returncode == 1
    assert f"BROKEN {case}" in done.stdout
    assert "exit code" not in done.stdout


def test_a_client_that_fails_breaks_it():
    done = run("--case", "stored", "--", sys.executable, "-c", "raise SystemExit('no such thing')")
    assert done.returncode == 1
    assert "its exit code is 1: no such thing" in done.stdout


def test_no_case_is_no_success():
    assert run("--case", "none", "--", "true").returncode == 1
