"""`tracker admin create`, run as a process, and signing in afterwards."""

import os
import pty
import subprocess
import sys

import pytest
import requests
from commands import run_tracker
from sign_in_requests import post
from signing_key import make_signing_key

from event_tracker.cli.database.admins import LOCAL_ADMIN, offer_sign_in

PASSWORD = "correct horse battery"


@pytest.fixture
def create(postgres, database):
    """A function that runs `tracker admin create`; `given` is its standard input."""

    def run(*arguments, given=""):
        environment = {**os.environ, "DATABASE_URL": postgres.url(database)}
        return run_tracker("admin", "create", *arguments, environment=environment, given=given)

    return run


@pytest.fixture
def query(start_service, postgres, database):
    """A query service on the test's database."""
    return start_service(
        "query",
        DATABASE_URL=postgres.url(database, "query"),
        CONTROL_DATABASE_URL=postgres.url(database, "control"),
        SIGNING_KEY=make_signing_key(),
        AUTH="required",
    )


def test_the_first_admin_signs_in_with_the_password_of_standard_input(create, query, owner):
    made = create("ann", given=f"{PASSWORD}\n")
    assert (made.returncode, made.stdout) == (0, "made the admin ann\n"), made.stderr
    assert owner.execute("select actor, action, target from audit").fetchall() == [("owner", "create_person", "ann")]
    answer = requests.post(f"{query.url}/auth/sign-in", json={"name": "ann", "password": PASSWORD}, timeout=30).json()
    assert answer["person"] == {"name": "ann", "role": "admin", "sources": None}
    assert not answer["must_set_password"]


def test_a_file_gives_the_password_and_a_name_is_taken_once(create, owner, tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    asked = ["ann", "--password-file", str(tmp_path / "password")]
    assert create(*asked).returncode == 0
    ((stored,),) = owner.execute("select password_hash from people").fetchall()
    assert stored.startswith("$argon2id$")
    again = create("ann", given="another long password")
    assert (again.returncode, again.stderr) == (
        1,
        "Error: a person named ann exists already; choose another name\n",
    )
    assert owner.execute("select password_hash from people").fetchall() == [(stored,)]


def test_at_a_terminal_it_asks_twice_and_shows_nothing(postgres, database, owner):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "event_tracker.cli", "admin", "create", "ann"],
        env={**os.environ, "DATABASE_URL": postgres.url(database)},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, close_fds=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(theirs), os.O_RDWR)),
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    for question in (b"Password:", b"Repeat for confirmation:"):
        while question not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, PASSWORD.encode() + b"\n")
    while b"made the admin ann" not in shown:
        shown += os.read(ours, 1000)
    assert process.wait(60) == 0
    os.close(ours)
    assert PASSWORD.encode() not in shown
    assert owner.execute("select name from people").fetchall() == [("ann",)]


def test_the_password_of_another_start_ends_the_sign_ins_by_the_one_before(query, owner):
    """Otherwise somebody who saw the previous password could still replace the new one by their own, for a day."""
    seen = post(query, "sign-in", name=LOCAL_ADMIN, password=offer_sign_in(owner)).json()
    owner.execute("update people set one_time_until = now() - interval '1 hour'")
    offered = offer_sign_in(owner)
    assert post(query, "password", seen["access_token"], password=PASSWORD).status_code in (401, 403)
    assert post(query, "refresh", refresh_token=seen["refresh_token"]).status_code == 401
    given = post(query, "sign-in", name=LOCAL_ADMIN, password=offered).json()
    assert post(query, "password", given["access_token"], password=PASSWORD).status_code == 204


@pytest.mark.parametrize(
    ("arguments", "given", "says"),
    [
        (["ann"], "too short\n", "a password takes 12 to 200 characters"),
        (["ann"], "", "a password takes 12 to 200 characters"),
        (["ann"], "x" * 201, "a password takes 12 to 200 characters"),
        (["Ann"], PASSWORD, "lower-case"),
        (["ann", PASSWORD], PASSWORD, "unexpected extra argument"),
        (["ann", "--password-file", "/nowhere"], "", "No such file"),
    ],
)
def test_what_is_wrong_is_said_and_nobody_made(create, owner, arguments, given, says):
    done = create(*arguments, given=given)
    assert done.returncode != 0
    assert says in done.stderr
    assert owner.execute("select from people").fetchall() == []
