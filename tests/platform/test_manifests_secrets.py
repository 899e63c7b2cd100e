"""scripts/dev-secrets: for compose as it is, for Kubernetes with a kubectl that keeps what it is given in a folder."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from manifests import SECRETS
from tools import ROOT, run

from event_tracker.cli.settings import key_of
from event_tracker.query.auth.signing import Signer

NOT_MADE = {"oidc-client", "outbox"}
"""Made by the provider, or about an application's database: not here."""

KUBECTL = """#!/bin/sh
# A kubectl that keeps Secrets as folders of files, and writes down how it was called.
printf '%s\\n' "$*" >>"$STATE/calls"
case "$1 $2" in
"get --ignore-not-found")
  if [ "$5" = namespace ]; then [ -d "$STATE/$6" ] && echo "namespace/$6"; else [ -d "$STATE/$8/$6" ] && echo "secret/$6"; fi
  exit 0 ;;
"create namespace") mkdir "$STATE/$3" ;;
"create secret") cp -r "$8" "$STATE/$6/$4" ;;
"get secret") cat "$STATE/$5/$3/password" ;;
*) exit 64 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, as in a checkout, and the kubectl."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "infra").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "scripts" / "dev-secrets", tmp_path / "scripts")
    (tmp_path / "bin" / "kubectl").write_text(KUBECTL)
    (tmp_path / "bin" / "kubectl").chmod(0o755)
    return tmp_path


def dev_secrets(checkout: Path, what: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{checkout / 'bin'}{os.pathsep}{os.environ['PATH']}", "STATE": str(checkout / "state")}
    return run(checkout / "scripts" / "dev-secrets", what, ok=ok, env=environment)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "calls"
    }


def require_good_keys(made: dict[str, str]) -> None:
    """What was made is taken by what reads it."""
    Signer(made["signing-key"])
    for name, kind in (("admin-token", "rt"), ("read-token", "rt"), ("write-key", "wk")):
        assert key_of(kind)(made[name])
    assert made["admin-token"] != made["read-token"]


def test_compose_gets_every_file_readable_in_a_folder_that_is_not(checkout: Path):
    done = dev_secrets(checkout, "compose")
    folder = checkout / "infra" / "secrets"
    made = contents(folder)
    passwords = {"postgres-superuser", "owner", "collector", "query", "control", "relay", "grafana", "grafana-admin"}
    roles = ("owner", "collector", "query", "control", "relay")
    keys = {"signing-key", "admin-token", "read-token", "write-key", "visitor-secret"}
    assert set(made) == {f"{name}-password" for name in passwords} | {f"{role}-url" for role in roles} | keys
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    assert len({made[f"{name}-password"] for name in passwords}) == len(passwords)
    require_good_keys(made)
    for name in roles:
        assert made[f"{name}-url"] == f"postgresql://{name}:{made[f'{name}-password']}@postgres:5432/events"
    assert not [value for value in made.values() if value in done.stdout + done.stderr]


def test_compose_keeps_what_is_there(checkout: Path):
    dev_secrets(checkout, "compose")
    folder = checkout / "infra" / "secrets"
    before = contents(folder)
    (folder / "query-url").unlink()
    dev_secrets(checkout, "compose")
    assert contents(folder) == before


def test_kubernetes_gets_the_secrets_that_the_manifests_name(checkout: Path):
    done = dev_secrets(checkout, "kubernetes")
    made = contents(checkout / "state")
    wanted = {f"event-tracker/{name}/{key}" for name, keys in SECRETS.items() for key in keys if name not in NOT_MADE}
    # Only the operator of CloudNativePG asks for a user name.
    wanted |= {
        "monitoring/grafana-database/password",
        "monitoring/grafana-admin/user",
        "monitoring/grafana-admin/password",
    }
    assert set(made) == wanted
    assert made["monitoring/grafana-database/password"] == made["event-tracker/grafana-database/password"]
    owner = made["event-tracker/database-owner/password"]
    assert made["event-tracker/database-owner/url"] == f"postgresql://owner:{owner}@postgres:5432/events"
    keys = contents(checkout / "state" / "event-tracker" / "access-keys")
    require_good_keys({**keys, "signing-key": made["event-tracker/signing-key/key"]})
    seen = (checkout / "state" / "calls").read_text() + done.stdout + done.stderr
    secret = [value for key, value in made.items() if not key.endswith(("user", "username"))]
    assert not [value for value in secret if value in seen]


def test_kubernetes_keeps_what_is_there(checkout: Path):
    dev_secrets(checkout, "kubernetes")
    before = contents(checkout / "state")
    shutil.rmtree(checkout / "state" / "monitoring" / "grafana-database")
    dev_secrets(checkout, "kubernetes")
    assert contents(checkout / "state") == before


def test_nothing_is_made_where_kubectl_fails(checkout: Path):
    (checkout / "bin" / "kubectl").write_text("#!/bin/sh\necho 'no cluster' >&2\nexit 1\n")
    done = dev_secrets(checkout, "kubernetes", ok=False)
    assert done.returncode != 0
    assert "made" not in done.stderr


def test_anything_else_is_refused(checkout: Path):
    assert dev_secrets(checkout, "production", ok=False).returncode == 2
