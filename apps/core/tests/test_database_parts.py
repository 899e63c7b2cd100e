"""A connection URL in parts: what libpq reads is what was given, and a mistake is told by variable, without its value."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from event_tracker.core.postgres.database_parts import SSL_MODES, part_names
from event_tracker.core.settings import InvalidSettingsError, ServiceSettings, Settings, database_url_setting

PASSWORD = "p@ss:w/o%r d#'\"\\ü€🔑=?&"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"


@dataclass(frozen=True, kw_only=True)
class Example(Settings):
    database_url: str = database_url_setting("Where.")
    control_database_url: str = database_url_setting("Where else.", default="")


@pytest.fixture
def give(monkeypatch, tmp_path):
    """A function that sets DATABASE_ parts: give(HOST="db"). None unsets. The three that are needed are set."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for url in ("DATABASE_URL", "CONTROL_DATABASE_URL"):
        for name in (url, *part_names(url)):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(f"{name}_FILE", raising=False)

    def give(prefix="DATABASE_", **parts):
        for suffix, text in {"HOST": "db", "NAME": "events", "USER": "ann", **parts}.items():
            if text is None:
                monkeypatch.delenv(prefix + suffix, raising=False)
            else:
                monkeypatch.setenv(prefix + suffix, text)

    return give


def mistakes():
    with pytest.raises(InvalidSettingsError) as raised:
        Example.read()
    assert PASSWORD not in str(raised.value)
    return raised.value.mistakes


@pytest.mark.parametrize("password", [PASSWORD, "'", "\\", " x ", "a=b c=d", "%40"])
def test_a_password_needs_no_encoding(give, password):
    give(PASSWORD=password)
    settings = Example.read()
    wanted = {
        "host": "db",
        "port": "5432",
        "dbname": "events",
        "user": "ann",
        "password": password,
        "sslmode": "prefer",
    }
    assert conninfo_to_dict(settings.database_url) == wanted
    assert settings.control_database_url == ""
    assert "db" not in repr(settings)


def test_a_password_from_a_file(give, monkeypatch, tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\n")
    give()
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    assert conninfo_to_dict(Example.read().database_url)["password"] == PASSWORD
    (tmp_path / "password").unlink()
    assert set(mistakes()) == {"DATABASE_URL"}


def test_each_url_has_parts_of_its_own(give):
    give()
    give("CONTROL_DATABASE_", HOST="other", NAME="x y", PORT="6432", SSLMODE="require")
    settings = Example.read()
    assert conninfo_to_dict(settings.database_url)["host"] == "db"
    wanted = {"host": "other", "port": "6432", "dbname": "x y", "user": "ann", "sslmode": "require"}
    assert conninfo_to_dict(settings.control_database_url) == wanted


def test_both_a_url_and_parts_are_a_mistake(give, monkeypatch):
    give(PASSWORD=PASSWORD)
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@elsewhere/events")
    (said,) = mistakes()["DATABASE_URL"]
    assert "not both" in said
    assert "DATABASE_HOST" in said
    assert "elsewhere" not in said


def test_every_part_that_is_missing_is_named(give):
    give(HOST=None, NAME="", USER=None, PASSWORD=PASSWORD)
    assert set(mistakes()) == {"DATABASE_HOST", "DATABASE_NAME", "DATABASE_USER"}


def test_a_single_part_is_no_reason_to_connect_elsewhere(give):
    give(HOST=None, NAME=None, USER=None)
    give("CONTROL_DATABASE_", HOST="db", NAME=None, USER=None)
    assert set(mistakes()) == {"DATABASE_URL", "CONTROL_DATABASE_NAME", "CONTROL_DATABASE_USER"}


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("PORT", "0"), ("PORT", "65536"), ("PORT", "x"), ("PORT", "5432 host=evil"), ("PORT", "٣"), ("SSLMODE", "strict"),
        ("SSLMODE", "prefer|allow"), ("ROOT_CERTIFICATE", "/etc/ca.pem"), ("PASSWORD", "\udcff"),
    ],
)  # fmt: skip
def test_a_wrong_part_is_named_and_not_repeated(give, part, text):
    give(**{part: text})
    said = mistakes()
    assert set(said) == {f"DATABASE_{part}"}
    assert text not in str(said) or text == "0"


def test_a_path_in_place_of_certificates_is_told_where_it_goes(give):
    give()
    give("CONTROL_DATABASE_", ROOT_CERTIFICATE="/etc/ca.pem")
    (said,) = mistakes()["CONTROL_DATABASE_ROOT_CERTIFICATE"]
    assert said.endswith("The path of a file goes into CONTROL_DATABASE_ROOT_CERTIFICATE_FILE.")


def test_a_zero_byte_from_a_file_is_a_mistake(give, monkeypatch, tmp_path):
    (tmp_path / "password").write_bytes(b"a\0b")
    give()
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    assert set(mistakes()) == {"DATABASE_PASSWORD"}


@pytest.mark.parametrize("mode", SSL_MODES)
def test_certificates_are_a_file_for_libpq(give, mode):
    give(SSLMODE=mode, ROOT_CERTIFICATE=CERTIFICATE)
    path = Path(conninfo_to_dict(Example.read().database_url)["sslrootcert"])
    assert path.read_text() == CERTIFICATE
    assert path.stat().st_mode & 0o777 == 0o600
    assert Example.read().database_url.count(str(path)) == 1, "the same file at the next start"
    assert len(list(path.parent.glob("*.pem*"))) == 1


def test_certificates_that_cannot_be_written_are_a_mistake(give, monkeypatch):
    give(ROOT_CERTIFICATE=CERTIFICATE)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    assert "can't be written" in mistakes()["DATABASE_URL"][0]


def test_the_systems_certificates(give):
    give(SSLMODE="verify-full", ROOT_CERTIFICATE="system")
    assert conninfo_to_dict(Example.read().database_url)["sslrootcert"] == "system"


def test_services_take_parts(give):
    give()
    assert conninfo_to_dict(ServiceSettings.read(port=8000).database_url)["dbname"] == "events"
