"""The sources that the overlays declare, applied to a real query service as their Job does it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from manifests import OVERLAYS, containers, named, rendered
from servers import Postgres, Service
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key


@pytest.fixture
def apply(start_service, postgres: Postgres, database: str, owner: psycopg.Connection, tmp_path: Path):
    """apply(objects): run the Job's command on the ConfigMap's file, and say what it printed."""
    urls = {"DATABASE_URL": postgres.url(database, "query"), "CONTROL_DATABASE_URL": postgres.url(database, "control")}
    query: Service = start_service("query", AUTH="required", SIGNING_KEY=make_signing_key(), **urls)
    token = make_key("rt")
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{admin}')",
        [token.prefix, token.hash],
    )
    (tmp_path / "token").write_text(token.key)
    environment = {**os.environ, "QUERY_URL": query.url, "API_TOKEN_FILE": str(tmp_path / "token")}

    def apply(objects: list[Any]) -> str:
        job = named(objects, "Job", "sources")["spec"]["template"]
        (container,) = containers(job)
        (volume,) = (one for one in job["spec"]["volumes"] if "configMap" in one)
        (mount,) = (one for one in container["volumeMounts"] if one["name"] == volume["name"])
        data = named(objects, "ConfigMap", volume["configMap"]["name"])["data"]
        for name, text in data.items():
            (tmp_path / name).write_text(text)
        arguments = [part.replace(mount["mountPath"], str(tmp_path)) for part in container["args"]]
        done = subprocess.run(
            [sys.executable, "-m", "event_tracker.cli", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return apply


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_an_overlay_declares_is_applied_and_stays(apply, owner: psycopg.Connection, overlay: str):
    objects = rendered(overlay)
    first, second = apply(objects), apply(objects)
    assert second == "Nothing to change.\n"
    (declared,) = (
        yaml.safe_load(one["data"]["sources.yaml"])["sources"]
        for one in objects
        if one["kind"] == "ConfigMap" and "sources.yaml" in (one.get("data") or {})
    )
    names = {name for (name,) in owner.execute("select name from sources")}
    assert set(declared) <= names
    assert (first == second) == (declared == {})


def test_what_changes_in_the_file_is_what_changes(apply, owner: psycopg.Connection):
    objects = yaml.safe_load(yaml.safe_dump(rendered("production")))
    (config,) = (one for one in objects if one["kind"] == "ConfigMap" and "sources.yaml" in (one.get("data") or {}))
    config["data"]["sources.yaml"] = "sources: {shop: {rate_limit: 5}}"
    assert "+ source shop" in apply(objects)
    config["data"]["sources.yaml"] = "sources: {shop: {rate_limit: 6}}"
    assert "rate_limit: 5 → 6" in apply(objects)
    assert owner.execute("select rate_limit from sources where name = 'shop'").fetchall() == [(6,)]
