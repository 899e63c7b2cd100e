"""Fixtures: an application's database with an outbox, and the command."""

import os
import uuid

import psycopg
import pytest
from commands import run_tracker
from tracking import application_role


@pytest.fixture(scope="module")
def application(postgres):
    """The name of an application's role."""
    with application_role(postgres) as name:
        yield name


@pytest.fixture
def outbox_url(postgres):
    """The URL of an application's database with an outbox."""
    name = f"application_{uuid.uuid4().hex}"
    postgres.execute(f"create database {name}")
    url = postgres.url(name)
    done = run_tracker("outbox", "init", url, environment=dict(os.environ))
    assert done.returncode == 0, done.stderr
    yield url
    postgres.execute(f"drop database {name} with (force)")


@pytest.fixture
def outbox_owner(outbox_url):
    with psycopg.connect(outbox_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def app(outbox_url, application):
    """A connection of the application, autocommit."""
    with psycopg.connect(outbox_url, user=application, autocommit=True) as connection:
        yield connection


@pytest.fixture
def outbox(outbox_url, pair):
    """outbox("run", "--once"): runs the command on the application's database, and returns what it said."""

    def run(*arguments, code=0, **environment):
        given = {**os.environ, "OUTBOX_DATABASE_URL": outbox_url, "COLLECTOR_URL": pair.collector.url, **environment}
        done = run_tracker("outbox", *arguments, environment=given)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    return run
