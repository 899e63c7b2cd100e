"""A collector whose brokers refuse it, or whose topic isn't safe, doesn't start, and says why."""

import os
import subprocess
import sys
import uuid

import pytest
from tls_front import make_certificate

PASSWORD = "correct-horse"


@pytest.fixture(scope="module")
def user(kafka):
    """A user with the rights that a collector needs, on two topics."""
    name = f"collector-{uuid.uuid4().hex}"
    kafka.add_user(name, PASSWORD)
    for topic in ("secure.events", "secure.rejections"):
        kafka.create_topic(topic, 1)
        kafka.allow(name, "topic", topic, ["write", "describe", "describe_configs"])
    kafka.create_topic("secure.small", 1, **{"max.message.bytes": 60_000})
    kafka.create_topic("secure.other", 1)
    kafka.allow(name, "topic", "secure.small", ["write", "describe", "describe_configs"])
    return name


@pytest.fixture
def check(kafka, user):
    """check(**settings) runs what runs before a collector starts; returns its exit code and what it wrote."""

    def run(**settings):
        environment = {
            "DATABASE_URL": "postgresql://", "KAFKA_BROKERS": kafka.secure_servers, "KAFKA_SECURITY": "scram",
            "KAFKA_USER": user, "KAFKA_PASSWORD": PASSWORD, "KAFKA_CA": str(kafka.ca), "KAFKA_TOPIC": "secure.events",
            "KAFKA_REJECTIONS_TOPIC": "secure.rejections", "KAFKA_SINGLE": "true", **settings,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "event_tracker.collector.kafka.check"],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr

    return run


def test_who_has_all_rights_is_let_in(check):
    assert check() == (0, "")


@pytest.mark.parametrize(
    ("settings", "causes"),
    [
        ({"KAFKA_PASSWORD": "wrong"}, ["_AUTHENTICATION", "KAFKA_PASSWORD"]),
        ({"KAFKA_CA": ""}, ["_SSL", "certificate verify failed", "KAFKA_CA"]),
        ({"KAFKA_TOPIC": "secure.other"}, ["secure.other", "TOPIC_AUTHORIZATION_FAILED"]),
        ({"KAFKA_TOPIC": "secure.small"}, ["max.message.bytes=60000", "73728"]),
        ({"KAFKA_SINGLE": "false"}, ["1 replicas", "min.insync.replicas=1", "KAFKA_SINGLE"]),
    ],
    ids=["password", "authority", "right", "size", "replicas"],
)
def test_it_does_not_start_and_says_why(check, settings, causes):
    code, text = check(**settings)
    assert code == 1
    for cause in causes:
        assert cause in text
    assert PASSWORD not in text


def test_brokers_that_hang_up_may_be_behind_a_proxy_so_it_starts_and_says_why_it_waits(check):
    """As brokers do that want to be spoken to encrypted."""
    code, text = check(KAFKA_SECURITY="plain", KAFKA_USER="", KAFKA_PASSWORD="", KAFKA_CA="")
    assert code == 0
    assert "KAFKA_SECURITY" in text
    assert "starts all the same" in text


def test_a_topic_that_is_missing_is_named(check, kafka):
    code, text = check(
        KAFKA_BROKERS=kafka.servers, KAFKA_SECURITY="plain", KAFKA_USER="", KAFKA_PASSWORD="", KAFKA_CA="",
        KAFKA_TOPIC="missing",
    )  # fmt: skip
    assert code == 1
    assert "There is no topic missing" in text


def test_another_authority_is_refused(check, tmp_path):
    _, other = make_certificate(tmp_path, "localhost")
    (tmp_path / "ca.crt").write_text(other)
    code, text = check(KAFKA_CA=str(tmp_path / "ca.crt"))
    assert code == 1
    assert "_SSL" in text


def test_the_service_ends_with_1(start_service, kafka, user, postgres, database):
    collector = start_service(
        "collector", wait=False, DATABASE_URL=postgres.url(database, "collector"), KAFKA_BROKERS=kafka.secure_servers,
        KAFKA_SECURITY="scram", KAFKA_USER=user, KAFKA_PASSWORD="wrong", KAFKA_CA=kafka.ca, KAFKA_SINGLE="true",
    )  # fmt: skip
    assert collector.process.wait(120) == 1
    assert "_AUTHENTICATION" in collector.log.read_text()
