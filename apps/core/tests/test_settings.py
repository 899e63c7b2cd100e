from dataclasses import dataclass

import pytest

from core.settings import InvalidSettingsError, Settings, setting, validate


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
