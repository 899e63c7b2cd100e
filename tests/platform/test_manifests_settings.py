"""The settings of pods, against what the programs in them read; and the smoke test's script, run against the services."""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from manifests import COMPONENTS, OVERLAYS, SETS, Object, config_maps, containers, named, of_kind, pods, rendered
from servers import Postgres, Service
from signing_key import make_signing_key
from tools import ROOT, run, tool

from event_tracker.cli.options import collector_options, query_options
from event_tracker.cli.settings import MaintainSettings, MigrateSettings
from event_tracker.collector.settings import CollectorSettings
from event_tracker.core.secrets.keys import make_key
from event_tracker.dashboard.settings import Settings as DashboardSettings
from event_tracker.query.settings import QuerySettings
from event_tracker.streams.archive.settings import ArchiveSettings
from event_tracker.streams.cassandra.settings import CassandraRelaySettings
from event_tracker.streams.importer.settings import ImporterSettings
from event_tracker.streams.publisher.settings import PublisherSettings
from event_tracker.streams.storer.settings import StorerSettings

READ_BY: dict[str, Any] = {
    "collector": CollectorSettings,
    "query": QuerySettings,
    "dashboard": DashboardSettings,
    "migrate": MigrateSettings,
    "maintain": MaintainSettings,
    "publisher": PublisherSettings,
    "cassandra-relay": CassandraRelaySettings,
    "storer": StorerSettings,
    "archive": ArchiveSettings,
    "importer": ImporterSettings,
}
LIBRARIES = {"archive": {"AWS_REGION"}, "query": {"AWS_REGION"}, "maintain": {"AWS_REGION", "LAKE"}}
"""What a library of a program reads, or its arguments name."""

OPTIONS = {
    "simulate": {"COLLECTOR_URL", "WRITE_KEY_FILE"},
    "s3": {
        *("S3_BUCKET", "S3_PREFIX", "S3_QUEUE_URL", "AWS_REGION"),
        *("COLLECTOR_URL", "WRITE_KEY_FILE", "VISITOR_SECRET_FILE"),
    },
    "outbox": {"OUTBOX_DATABASE_URL_FILE", "COLLECTOR_URL", "WRITE_KEY_FILE"},
    "lake": {"LAKE", "AWS_REGION", "DATABASE_URL_FILE"},
    "smoke": {"COLLECTOR_URL", "QUERY_URL", "WRITE_KEY_FILE", "API_TOKEN_FILE"},
    "sources": {"QUERY_URL", "API_TOKEN_FILE"},
}
"""Set by options of the command line instead."""

FILES = {
    "SIGNING_KEY": make_signing_key(),
    "ADMIN_TOKEN": make_key("rt").key,
    "READ_TOKEN": make_key("rt").key,
    "WRITE_KEY": make_key("wk").key,
}
"""What stands in files that hold no URL and no password."""

SCRIPTS = ROOT / "k8s" / "components" / "postgres"
OTHERS = {
    "postgres": {
        "PGDATA": "the image's own variable",
        "POSTGRES_PASSWORD_FILE": "the image's own variable",
        "POSTGRES_INITDB_ARGS": "the image's own variable",
        "OWNER_PASSWORD_FILE": "read by infra/postgres/init/owner.sh",
    },
    "backup": {"BACKUPS": "backup.sh", "DATABASE_URL_FILE": "connection.sh", "KEEP": "backup.sh"},
    "restore": {"BACKUPS": "restore.sh", "DATABASE_URL_FILE": "connection.sh"},
}
"""Containers that run no program of ours, and who reads their settings."""


def given(objects: list[Object]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each container's name and environment."""
    maps = {one["metadata"]["name"]: one.get("data") or {} for one in objects if one["kind"] == "ConfigMap"}
    for _, template in pods(objects):
        for container in containers(template):
            names = [source["configMapRef"]["name"] for source in container.get("envFrom") or []]
            # A component that is for use beside another one has no ConfigMap of that.
            environment = {key: value for name in names for key, value in maps.get(name, {}).items()}
            yield container["name"], environment | {one["name"]: one["value"] for one in container.get("env") or []}


@pytest.mark.parametrize("name", [*OVERLAYS, *SETS])
def test_every_variable_is_one_that_the_program_reads(name: str):
    for container, environment in given(rendered(name)):
        if container in READ_BY:
            known = {field.name.upper() for field in dataclasses.fields(READ_BY[container])}
            known |= {f"{one}_FILE" for one in known} | LIBRARIES.get(container, set())
            assert set(environment) <= known, container
        else:
            assert set(environment) <= (OPTIONS.get(container) or set(OTHERS[container])), container


@pytest.mark.parametrize("name", [*OVERLAYS, "base and oidc", "base and kafka", "base and lake-archive"])
def test_every_value_is_one_that_the_program_accepts(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def secret(variable: str) -> str:
        path = tmp_path / variable
        path.write_text(FILES.get(variable.removesuffix("_FILE"), "postgresql://someone@somewhere/events"))
        return str(path)

    for container, environment in given(rendered(name)):
        if container in READ_BY:
            with monkeypatch.context() as patch:
                for key, value in environment.items():
                    is_file = key.endswith("_FILE") or key == "KAFKA_CA"
                    found = secret(key) if is_file else str(tmp_path) if key == "SOURCE_COPY_FOLDER" else value
                    patch.setenv(key, found)
                settings = READ_BY[container].read()
            if container in ("collector", "query", "dashboard"):
                ports = [
                    one
                    for _, template in pods(rendered(name))
                    for one in containers(template)
                    if one["name"] == container
                ]
                assert settings.port == ports[0]["ports"][0]["containerPort"]
                assert settings.host == "0.0.0.0"
            if container in ("collector", "query"):
                assert settings.auth == "required"


def test_secret_files_are_where_the_settings_of_programs_say():
    maps = {one["metadata"]["name"]: one.get("data") or {} for one in of_kind(rendered("all but cnpg"), "ConfigMap")}
    for _, template in pods(rendered("all but cnpg")):
        mounts = {
            one["name"]: one["mountPath"] for container in containers(template) for one in container["volumeMounts"]
        }
        files = set()
        for volume in template["spec"]["volumes"]:
            for source in (volume.get("projected") or {}).get("sources") or [volume]:
                files |= {
                    f"{mounts[volume['name']]}/{item['path']}"
                    for item in (source.get("secret") or {}).get("items") or []
                }
        mounted = {
            one["value"]
            for container in containers(template)
            for one in container.get("env") or []
            if one["name"].endswith("_FILE") and one["name"] != "MAPPING_FILE"  # which is no secret
        }
        given = [maps[name] for name in config_maps(template)]
        mounted |= {data[name] for data in given for name in ("KAFKA_CA", "CASSANDRA_CA") if name in data}
        assert mounted == files


def test_options_that_are_set_by_variables_have_those_names():
    def variables(options: Callable[..., Any]) -> set[str]:
        return {option.envvar for option in options(lambda: None).__click_params__ if option.envvar}

    given = variables(collector_options) | variables(query_options)
    assert given == {name.removesuffix("_FILE") for name in OPTIONS["smoke"]}


def test_settings_of_postgres_containers_are_read_by_their_scripts():
    for container, variables in OTHERS.items():
        for variable, reader in variables.items():
            if reader.endswith(".sh"):
                path = ROOT / "infra/postgres/init/owner.sh" if "owner" in reader else SCRIPTS / reader
                assert re.search(rf"\$[{{(]*{variable}\b", path.read_text()), (container, variable)


def test_arguments_are_those_of_the_command_line():
    for _, template in pods(rendered("all but cnpg")):
        for container in containers(template):
            if container["image"].startswith("event-tracker/tracker") and "args" in container:
                run(tool("tracker"), *container["args"], "--help")


def test_retention_is_a_choice():
    assert named(rendered("base"), "CronJob", "maintain")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ][0]["args"] == ["maintain"]
    assert "simulate" in COMPONENTS
    assert not [one for one in rendered("production") if one["metadata"]["name"] == "simulate"]


def test_questions_and_retention_use_the_lake_that_is_exported():
    def settings(objects: list[Object], container: str) -> dict[str, str]:
        return dict(given(objects))[container]

    alone, archive = rendered("base and lake"), rendered("base and lake-archive")
    for objects in (alone, archive):
        assert settings(objects, "query")["LAKE"] == settings(objects, "lake")["LAKE"]
        (labels,) = [one["metadata"]["labels"] for _, one in pods(objects) if containers(one)[0]["name"] == "query"]
        assert labels["event-tracker/lake-client"] == "true"  # for the network policy
    assert "LAKE" not in settings(rendered("base"), "query")
    arguments = {
        one["name"]: one["args"]
        for objects in (alone, archive)
        for _, template in pods(objects)
        for one in containers(template)
        if one["name"] == "maintain" and "LAKE" in settings(objects, "maintain")
    }
    assert arguments == {"maintain": ["maintain", "--archive-first=$(LAKE)"]}
    assert settings(archive, "maintain")["LAKE"] == settings(archive, "lake")["LAKE"]


def test_upkeep_and_exports_of_the_archive_ask_the_same_server():
    """Their lock is in the database."""
    urls = {
        one["metadata"]["name"]: volume["secret"]["secretName"]
        for one, template in pods(rendered("base and lake-archive"))
        for volume in template["spec"]["volumes"]
        if volume["name"] == "database" and "secret" in volume
    }
    assert urls["lake"] == urls["maintain"] == "database-owner"


SMOKE = ROOT / "k8s/components/smoke/smoke.sh"


@pytest.fixture
def service_settings(postgres: Postgres, database: str) -> dict[str, dict[str, str]]:
    """The settings of each service, in the cluster's way."""
    return {
        "collector": {"DATABASE_URL": postgres.url(database, "collector"), "AUTH": "required"},
        "query": {
            "DATABASE_URL": postgres.url(database, "query"),
            "CONTROL_DATABASE_URL": postgres.url(database, "control"),
            "SIGNING_KEY": FILES["SIGNING_KEY"],
            "AUTH": "required",
        },
    }


@pytest.fixture
def smoke_environment(postgres: Postgres, database: str, tmp_path: Path) -> dict[str, str]:
    """The settings of the script, without the services' addresses; the key and the token were registered by `tracker migrate`."""
    secrets = {name: FILES[name] for name in ("READ_TOKEN", "WRITE_KEY")}
    run(tool("tracker"), "migrate", env={**os.environ, "DATABASE_URL": postgres.url(database), **secrets})
    for name, secret in secrets.items():
        (tmp_path / name).write_text(secret)
    path = f"{Path(tool('tracker')).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        "PATH": path,
        "WRITE_KEY_FILE": str(tmp_path / "WRITE_KEY"),
        "API_TOKEN_FILE": str(tmp_path / "READ_TOKEN"),
    }


def smoke(environment: dict[str, str], collector: Service, query: Service, *, ok: bool) -> Any:
    return run("sh", SMOKE, ok=ok, env={**environment, "COLLECTOR_URL": collector.url, "QUERY_URL": query.url})


def test_the_smoke_test_sees_an_event_come_through(start_service, service_settings, smoke_environment: dict[str, str]):
    services = [start_service(name, **service_settings[name]) for name in ("collector", "query")]
    assert "went in and came out" in smoke(smoke_environment, *services, ok=True).stdout


def test_the_smoke_test_fails_where_the_event_doesnt_come_out(
    start_service, service_settings, smoke_environment, tmp_path: Path
):
    services = [start_service(name, **service_settings[name]) for name in ("collector", "query")]
    # A query service that answers nothing: `tracker events` finds no event.
    (tmp_path / "tracker").write_text(f'#!/bin/sh\n[ "$1" = events ] && exit 0\nexec {tool("tracker")} "$@"\n')
    (tmp_path / "tracker").chmod(0o755)
    environment = {**smoke_environment, "PATH": f"{tmp_path}{os.pathsep}{smoke_environment['PATH']}"}
    done = smoke(environment, *services, ok=False)
    assert done.returncode == 1
    assert "the query service doesn't show it" in done.stderr


@pytest.mark.parametrize(("name", "says"), [("collector", "the collector"), ("query", "the query service")])
def test_the_smoke_test_fails_where_one_gets_in_without(start_service, service_settings, smoke_environment, name, says):
    service_settings[name]["AUTH"] = "open"
    services = [start_service(one, **service_settings[one]) for one in ("collector", "query")]
    done = smoke(smoke_environment, *services, ok=False)
    assert done.returncode == 1
    assert f"{says} lets in what has no key" in done.stderr
