"""/admin/links: which links there are, and that a removed one doesn't count, whatever is sent again."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
import requests
from click.testing import CliRunner
from storing import store
from world import World

from event_tracker.cli.commands import cli

T0 = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def identify(number, user_id, alias, source="default"):
    properties = json.dumps({"anonymous_id": alias})
    return {
        "user_id": user_id,
        "event_type": "identify",
        "timestamp": T0,
        "event_id": UUID(int=number),
        "properties": properties,
        "source": source,
    }


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def run(world):
    """run("remove", "visitor", "ann"): what `tracker links` prints."""

    def run(*arguments, headers=None, code=0):
        token = (headers or world.admin())["Authorization"].removeprefix("Bearer ")
        result = CliRunner().invoke(cli, ["links", *arguments, "--query", world.query.url, "--token", token])
        assert result.exit_code == code, result.output
        return result.output

    return run


def listed(output):
    return [
        (link["source"], link["alias"], link["person"], link["removed_at"] is None)
        for link in map(json.loads, output.splitlines())
    ]


def ids(world, user_id):
    url = f"{world.query.url}/users/{user_id}"
    return requests.get(url, headers=world.admin(), timeout=60).json()["user_id"]


def test_a_removed_link_does_not_count_until_it_is_restored(world, run):
    events = [
        identify(1, "ann", "visitor"),
        identify(2, "bob", "visitor"),
        {**identify(3, "visitor", "x"), "event_type": "view"},
    ]
    store(world.owner, *events)
    assert ids(world, "visitor") == "ann"
    (before,) = world.owner.execute("select changed from links where person = 'ann'").fetchone()
    assert run("remove", "visitor", "ann") == "removed: visitor → ann in default\n"
    store(world.owner, *events)
    store(world.owner, identify(0, "ann", "visitor"))  # an earlier one
    assert ids(world, "visitor") == "bob"
    assert listed(run("show", "bob", "--json")) == [
        ("default", "visitor", "ann", False),
        ("default", "visitor", "bob", True),
    ]
    assert run("restore", "visitor", "ann") == "restored: visitor → ann in default\n"
    assert ids(world, "visitor") == "ann"
    (after,) = world.owner.execute("select changed from links where person = 'ann'").fetchone()
    assert int(after) > int(before)
    # The log says what was done, and names nobody.
    log = world.owner.execute(
        "select action, target, source, detail::text from audit where action like 'link%' order by id"
    ).fetchall()
    assert [row[0] for row in log] == ["link_removed", "link_restored"]
    assert [row[1] for row in log] == [str(UUID(int=1)), str(UUID(int=0))]
    assert "ann" not in repr(log)
    assert "404" in run("restore", "visitor", "ann", code=2)


def test_all_links_are_listed_page_by_page(world, run, monkeypatch):
    monkeypatch.setattr("event_tracker.cli.admin.links.PAGE", 2)
    store(world.owner, *(identify(number, "ann", f"a{number}") for number in range(5)))
    assert [alias for _, alias, *_ in listed(run("list", "--json"))] == [f"a{number}" for number in range(5)]
    answer = requests.get(f"{world.query.url}/admin/links?after_alias=a1", headers=world.admin(), timeout=60)
    assert {error["parameter"] for error in answer.json()["errors"]} == {"after_source", "after_person"}


def test_who_is_restricted_sees_and_removes_links_of_their_sources(world, run):
    for source in ("shop", "blog"):
        world.make_source(source)
    store(world.owner, identify(1, "ann", "visitor", "shop"), identify(2, "ann", "visitor", "blog"))
    shop = world.admin("shop")
    assert listed(run("list", "--json", headers=shop)) == [("shop", "visitor", "ann", True)]
    assert run("remove", "visitor", "ann", "--source", "blog", headers=shop, code=2)
    assert run("remove", "visitor", "ann", headers=shop) == "removed: visitor → ann in shop\n"
    assert [row[0] for row in listed(run("list", "--json")) if row[3]] == ["blog"]
