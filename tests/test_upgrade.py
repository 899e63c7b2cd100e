"""A database that an earlier release left is migrated, and answers as it did then (tests/support/releases.py)."""

import gzip
import json
import re
import shutil

import psycopg
import pytest
import requests
from click.testing import CliRunner
from releases import FOLDER, MIGRATIONS, RELEASES, upgraded
from tools import ROOT

from event_tracker.cli.admin.receipt import check
from event_tracker.cli.database.maintain import maintain

MAX_BYTES = 300_000

WRONG = {
    "counts": "update event_counts set count = count + 1 where event_type = 'signup'",
    "properties": "update events set properties = properties - 'gift'",
    "sessions": "update events set session_id = null",
    "tokens": "delete from api_tokens where name = 'blog'",
}
"""Migrations that lose or change something."""


@pytest.fixture(params=RELEASES, ids=lambda release: release.version)
def release(request):
    return request.param


@pytest.fixture
def site(release, postgres, start_service):
    """Both services on the migrated database."""
    with upgraded(release, postgres, start_service) as site:
        yield site


def run_maintain(site):
    done = CliRunner().invoke(maintain, [], env={"DATABASE_URL": site.url})
    assert done.exit_code == 0, done.output


def differences(site):
    """Without the summaries of days that the export of a user had up to 0.1.0."""
    return [line for line in site.differences() if not line.endswith("/export /visits: is missing")]


def test_all_questions_are_answered_as_the_release_did(site):
    assert differences(site) == []


def test_they_are_after_maintenance_as_well(site):
    run_maintain(site)
    assert differences(site) == []


def test_summaries_of_days_are_gone(release, site):
    filled = re.search(rb"^COPY public.visits .*;\n[^\\]", gzip.decompress(release.dump.read_bytes()), re.MULTILINE)
    assert bool(filled) == (release.version == "0.1.0")
    with psycopg.connect(site.url) as owner:
        for table in ("summarised_days", "property_counts", "visits"):
            assert owner.execute(f"select count(*) from {table}".encode()).fetchone() == (0,), table


def test_a_resend_of_what_was_stored_is_a_duplicate_and_of_what_retention_deleted_is_expired(site):
    stored, expired = site.record["stored"], site.record["expired"]
    _, before = site.ask({"path": "/stats/top-types"})
    assert site.send(stored["key"], [stored["event"]])["duplicates"] == 1
    assert site.send(expired["key"], [expired["event"]])["expired"] == 1
    assert site.ask({"path": "/stats/top-types"})[1]["items"] == before["items"]


def test_keys_of_then_store_events(site):
    new = {"user_id": "new", "event_type": "page_view"}
    for name in site.record["write_keys"]:
        assert site.send(name, [new])["stored"] == 1, name
    headers = {"X-Write-Key": site.record["revoked_key"]}
    assert requests.post(f"{site.collector.url}/events", json=new, headers=headers, timeout=30).status_code == 401
    assert site.ask({"path": "/users/new"})[1]["events"] == len(site.record["write_keys"])


def test_a_person_of_then_signs_in(site):
    answer = requests.post(f"{site.query.url}/auth/sign-in", json=site.record["person"], timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["must_set_password"] is False


def test_a_user_of_then_is_erased(site):
    user_id = site.record["to_erase"]
    status, before = site.ask({"path": f"/users/{user_id}"})
    _, of_all = site.ask({"path": "/stats/top-types"})
    assert (status, before["events"] > 0) == (200, True)
    _, receipt = site.ask({"method": "DELETE", "path": f"/users/{user_id}"})
    assert receipt["counts"]["events"] == before["events"]
    assert site.ask({"path": f"/users/{user_id}"})[0] == 404
    assert site.ask({"path": "/stats/top-types"})[1]["total"] == of_all["total"] - before["events"]


def test_a_receipt_of_then_is_genuine(release, tmp_path):
    record = release.read_record()
    receipt, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    receipt.write_text(json.dumps(record["receipt"]))
    keys.write_text(json.dumps(record["public_keys"]))
    done = CliRunner().invoke(check, [str(receipt), "--user", record["erased"], "--keys", str(keys)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("statement", WRONG.values(), ids=WRONG)
def test_a_wrong_migration_is_noticed(postgres, start_service, tmp_path, statement):
    migrations = shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    (migrations / "9999-wrong.sql").write_text(statement)
    with upgraded(RELEASES[0], postgres, start_service, migrations) as site:
        assert differences(site) != []


def test_each_release_left_its_database():
    released = re.findall(r"^## (\d+\.\d+\.\d+\S*) ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released
    assert [f"{version}.sql.gz" for version in released if not (FOLDER / f"{version}.sql.gz").exists()] == []


def test_what_a_release_left_is_small_and_names_no_machine(release):
    assert release.dump.stat().st_size + release.record.stat().st_size < MAX_BYTES
    dump = gzip.decompress(release.dump.read_bytes()).decode()
    assert not re.search(r"^COPY public._yoyo_log", dump, re.MULTILINE)
