"""`tracker source` and `tracker key`, as run."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def tracker(postgres, database):
    """Runs a command of the owner's on this test's database."""

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "tracker", *arguments],
            env={**os.environ, "DATABASE_URL": postgres.url(database), "COLUMNS": "160", **environment},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return run


def test_a_source_a_key_events_and_the_end_of_the_key(tracker, start_service, postgres, database, owner, tmp_path):
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), AUTH="required")
    assert tracker("source", "set", "shop", "--origin", "https://shop.example").stdout == "made source shop\n"
    key = tracker("key", "create", "shop").stdout.strip()
    assert key.startswith("wk_")
    (tmp_path / "events.ndjson").write_text(
        '{"user_id": "ann", "event_type": "view", "timestamp": "2026-11-22T10:00:00Z"}\n'
    )
    sending = ["send", str(tmp_path / "events.ndjson"), "--collector", collector.url, "--patience", "5"]
    assert tracker(*sending).returncode != 0
    sent = tracker(*sending, WRITE_KEY=key)
    assert sent.returncode == 0, sent.stderr
    assert owner.execute("select source from events").fetchall() == [("shop",)]
    listed = tracker("key", "list").stdout
    assert key[:13] in listed
    assert key not in listed
    assert tracker("key", "revoke", key[:13]).stdout == f"revoked {key[:13]} of source shop\n"
    ((stored,),) = owner.execute("select count(*) from write_keys where revoked_at is not null").fetchall()
    assert stored == 1


def test_what_is_not_given_stays(tracker, owner):
    tracker("source", "set", "shop", "--origin", "https://shop.example", "--origin", "http://localhost:3000")
    assert tracker("source", "set", "shop", "--disable").stdout == "changed source shop\n"
    assert owner.execute("select allowed_origins, enabled from sources where name = 'shop'").fetchall() == [
        (["https://shop.example", "http://localhost:3000"], False)
    ]
    assert "shop" in tracker("source", "list").stdout
    tracker("source", "set", "shop", "--no-origins", "--enable")
    assert owner.execute("select allowed_origins, enabled from sources where name = 'shop'").fetchall() == [([], True)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["source", "set", "My Shop"], "lower-case"),
        (["source", "set", "shop", "--origin", "shop.example"], "no origin"),
        (["source", "set", "shop", "--origin", "https://shop.example/path"], "no origin"),
        (["key", "create", "nowhere"], "there is no source nowhere"),
        (["key", "revoke", "wk_0123456789"], "there is no key"),
    ],
)
def test_mistakes_are_told(tracker, arguments, says):
    done = tracker(*arguments)
    assert done.returncode != 0
    assert says in done.stderr
