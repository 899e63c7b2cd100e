"""The commands for management, run against a real query service."""

import json
import re

import pytest
import requests

from event_tracker.cli.local.running import announce_urls
from event_tracker.core.secrets.keys import hash_key


def done(result):
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_source_a_key_events_and_the_end_of_the_key(tracker, start_service, postgres, database, owner, tmp_path):
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), AUTH="required")
    assert done(tracker("source", "set", "shop", "--origin", "https://shop.example")) == "source shop is set\n"
    key = done(tracker("key", "create", "shop")).strip()
    assert key.startswith("wk_")
    (tmp_path / "events.ndjson").write_text(
        '{"user_id": "ann", "event_type": "view", "timestamp": "2026-11-22T10:00:00Z"}\n'
    )
    sending = ["send", str(tmp_path / "events.ndjson"), "--collector", collector.url, "--patience", "60"]
    assert tracker(*sending).returncode != 0
    done(tracker(*sending, WRITE_KEY=key))
    assert owner.execute("select source from events").fetchall() == [("shop",)]
    listed = done(tracker("key", "list"))
    assert key[:13] in listed
    assert key not in listed
    assert done(tracker("key", "revoke", key[:13])) == f"revoked {key[:13]}\n"
    (item,) = map(json.loads, done(tracker("key", "list", "shop", "--json")).splitlines())
    assert item["revoked_at"]


def test_what_is_not_given_stays(tracker, owner):
    done(tracker("source", "set", "shop", "--origin", "https://shop.example", "--rate-limit", "5"))
    done(tracker("source", "set", "shop", "--schema-mode", "warn"))
    done(tracker("source", "set", "shop", "--keep-days", "90"))
    done(tracker("source", "set", "shop", "--disable"))
    row = "select allowed_origins, enabled, rate_limit, schema_mode, keep from sources where name = 'shop'"
    assert owner.execute(row).fetchall() == [(["https://shop.example"], False, 5, "warn", 90)]
    assert "https://shop.example" in done(tracker("source", "list"))
    done(tracker("source", "set", "shop", "--no-origins", "--enable", "--rate-limit", "0", "--keep-days", "0"))
    assert owner.execute(row).fetchall() == [([], True, None, "warn", None)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["source", "set", "My Shop"], "404"),
        (["source", "set", "shop", "--origin", "shop.example"], "allowed_origins.0: Must be an origin"),
        (["source", "set", "shop", "--origin", "*", "--no-origins"], "exclude each other"),
        (["key", "create", "nowhere"], "404"),
        (["key", "revoke", "wk_0123456789"], "404"),
        (["token", "create", "x", "--may", "export", "--source", "nowhere"], "sources.nowhere"),
        (["user", "set", "Ben"], "404"),
        (["user", "password", "ben"], "404"),
    ],
)
def test_what_cannot_be_done_is_told(tracker, arguments, says):
    result = tracker(*arguments)
    assert result.returncode == 2
    assert says in result.stderr
    assert result.stdout == ""


def test_a_token_and_a_person(tracker, guarded_query):
    made = done(tracker("token", "create", "charts", "--may", "read_stats", "--days", "9")).strip()
    headers = {"Authorization": f"Bearer {made}"}
    assert requests.get(f"{guarded_query.url}/stats/top-types", headers=headers, timeout=30).status_code == 200
    assert "charts" in done(tracker("token", "list"))
    done(tracker("token", "revoke", made[:13]))
    done(tracker("user", "set", "ben", "--role", "analyst"))
    password = done(tracker("user", "password", "ben")).strip()
    body = {"name": "ben", "password": password}
    assert requests.post(f"{guarded_query.url}/auth/sign-in", json=body, timeout=30).status_code == 200
    assert "analyst" in done(tracker("user", "list"))
    audit = done(tracker("audit"))
    for action in ("token_created", "token_revoked", "person_created", "password_reset", "sign_in"):
        assert action in audit
    assert made not in audit
    assert password not in audit


def test_without_a_token_it_is_said_how_to_give_one(tracker, guarded_query, tmp_path, admin_token):
    (tmp_path / "admin-token").write_text(admin_token + "\n")
    result = tracker("source", "list", API_TOKEN=None)
    assert result.returncode == 2
    assert "401" in result.stderr
    with announce_urls(tmp_path, {"collector": "http://127.0.0.1:1", "query": guarded_query.url}):
        assert "default" in done(tracker("source", "list", "--data", str(tmp_path), API_TOKEN=None))


def test_a_file_is_shown_and_then_applied(tracker, tmp_path, owner):
    made = tracker("key", "make")
    key = done(made).strip()
    assert re.fullmatch(rf"- prefix: {key[:13]}\n  sha256: {hash_key(key).hex()}\n", made.stderr)
    file = tmp_path / "sources.yaml"
    lines = made.stderr.replace("- prefix", "      - prefix").replace("  sha256", "        sha256")
    file.write_text(f"sources:\n  shop:\n    rate_limit: 5\n    keys:\n{lines}")
    shown = done(tracker("apply", "-f", str(file), "--dry-run"))
    assert "+ source shop" in shown
    assert f"+ key {key[:13]} of shop" in shown
    assert owner.execute("select name from sources").fetchall() == [("default",)]
    assert tracker("apply", "-f", str(file), stdin="n\n").returncode == 1
    assert owner.execute("select name from sources").fetchall() == [("default",)]
    assert "Done: 2 changes." in done(tracker("apply", "-f", str(file), stdin="y\n"))
    assert owner.execute("select source, hash from write_keys").fetchall() == [("shop", hash_key(key))]
    assert done(tracker("apply", "-f", str(file), "--yes")) == "Nothing to change.\n"
    file.write_text("sources: {shop: {rate_limit: null, keys: []}}")
    assert "rate_limit: 5 → None" in done(tracker("apply", "-f", str(file), "--yes"))
    assert owner.execute("select count(*) from write_keys where revoked_at is null").fetchone() == (0,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sources: {shop: {rate_limit: 1, rate_limit: 2}}", "duplicate key"),
        ("sources: [", "can't be read"),
        ("sources: {shop: {colour: red}}", "sources.shop.colour"),
        ("", "begins with `sources:`"),
        ("sources: !!python/object:os.system {}", "can't be read"),
    ],
)
def test_a_file_that_cannot_be_applied_changes_nothing(tracker, tmp_path, owner, text, says):
    file = tmp_path / "sources.yaml"
    file.write_text(text)
    result = tracker("apply", "-f", str(file), "--yes")
    assert result.returncode != 0
    assert says in result.stderr
    assert owner.execute("select count(*) from audit").fetchone() == (0,)
