from dataclasses import dataclass

import pytest
from marshmallow import ValidationError

from event_tracker.core.postgres.database_url import check_database_url
from event_tracker.core.settings import InvalidSettingsError, ServiceSettings, Settings, setting, validate


@dataclass(frozen=True, kw_only=True)
class Example(Settings):
    name: str = setting("A name.")
    size: int = setting("A size.", kind="int", default=3, check=validate.Range(1, 5))
    password: str = setting("A secret.", default="", secret=True)


def test_settings_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("NAME", "ann")
    assert Example.read() == Example(name="ann", size=3, password="")
    assert Example.read(name="bob", size=2).name == "bob"


def test_every_mistake_is_reported_at_once(monkeypatch):
    monkeypatch.delenv("NAME", raising=False)
    monkeypatch.setenv("SIZE", "6")
    with pytest.raises(InvalidSettingsError) as raised:
        Example.read()
    assert set(raised.value.mistakes) == {"NAME", "SIZE"}
    assert "NAME: " in str(raised.value)


def test_a_secret_comes_from_a_file_and_is_not_shown(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    monkeypatch.setenv("NAME", "ann")
    monkeypatch.setenv("PASSWORD_FILE", str(tmp_path / "password"))
    settings = Example.read()
    assert settings.password == "hunter2"
    assert "hunter2" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_a_mistake_like_the_others(monkeypatch):
    monkeypatch.setenv("NAME", "ann")
    monkeypatch.setenv("SIZE", "none")
    monkeypatch.setenv("PASSWORD_FILE", "/nowhere/password")
    with pytest.raises(InvalidSettingsError) as raised:
        Example.read()
    assert set(raised.value.mistakes) == {"PASSWORD", "SIZE"}


def read_service(**given):
    return ServiceSettings.read(**{"database_url": "postgresql://", "port": 8000, **given})


def test_nobody_gets_in_unless_it_is_said_so(monkeypatch):
    monkeypatch.delenv("AUTH", raising=False)
    assert read_service().auth == "required"
    assert read_service(host="0.0.0.0").auth == "required"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_open_is_for_loopback(host):
    assert read_service(auth="open", host=host).auth == "open"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "", "::", "[::]", "10.0.0.1", "db.localhost", "127.0.0.1.example", "localhost."]
)
def test_open_on_another_address_has_to_be_said_twice(host):
    with pytest.raises(InvalidSettingsError) as raised:
        read_service(auth="open", host=host)
    assert set(raised.value.mistakes) == {"AUTH"}
    for way_out in ("AUTH=required", "HOST=127.0.0.1", "AUTH_OPEN_ANYWHERE=true"):
        assert way_out in str(raised.value)
    assert read_service(auth="open", host=host, auth_open_anywhere=True).auth == "open"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://ann:a%40b@127.0.0.1:5432/events",
        "postgresql://ann@a,b:1,2/events",
        "postgresql://ann:x@[::1]/events?options=-c%20role%3Dquery",
        "postgresql://postgres:@/events?host=/home/ann@work/data",
        "host=/tmp dbname=events",
    ],
)
def test_what_libpq_takes_is_a_database_url(url):
    check_database_url(url)


@pytest.mark.parametrize(
    "url", ["events", "postgresql://ann:a@b@host/x", "postgresql://ann:a/b@host/x", "postgresql://ann:a b@host/x"]
)
def test_what_it_takes_otherwise_than_meant_is_none(url):
    with pytest.raises(ValidationError, match="%40"):
        check_database_url(url)
