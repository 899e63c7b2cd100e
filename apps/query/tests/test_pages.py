"""/admin/sources/{name}/pages and `tracker pages`: what a web site's pages are called."""

import json

import pytest
import requests
from click.testing import CliRunner
from world import World

from event_tracker.cli.commands import cli
from event_tracker.query.admin.sources.pages import MAX_AT_ONCE, MAX_PAGES

PATH = "/admin/sources/shop/pages"


@pytest.fixture
def world(postgres, database, start_service, owner):
    owner.execute("insert into sources (name) values ('shop'), ('blog')")
    return World(postgres, database, start_service, owner)


@pytest.fixture
def ask(world):
    """ask("PUT", body): the answer to a request about the pages of the source shop."""

    def ask(method, body=None, at=PATH, headers=None, **params):
        url = world.query.url + at
        return requests.request(method, url, json=body, params=params, headers=headers or world.admin(), timeout=60)

    return ask


@pytest.fixture
def run(world):
    """run("list", "shop"): what `tracker pages` prints."""

    def run(*arguments, code=0):
        token = world.admin()["Authorization"].removeprefix("Bearer ")
        result = CliRunner().invoke(cli, ["pages", *arguments, "--query", world.query.url, "--token", token])
        assert result.exit_code == code, result.output
        return result.output

    return run


def page(path, title=None, category=None, host=""):
    return {"path": path, "title": title, "category": category, "host": host}


def listed(answer):
    assert answer.status_code == 200, answer.text
    return [[item[name] for name in ("path", "host", "title", "category")] for item in answer.json()["items"]]


def test_pages_are_set_listed_and_removed(ask):
    given = [page("/b", "B"), page("/", "Home", "start"), page("/", "Blog", host="b.example"), page("/b", "B again")]
    assert ask("PUT", {"pages": given}).json() == {"changed": 3}
    assert ask("PUT", {"pages": given[1:]}).json() == {"changed": 0}
    assert ask("PUT", {"pages": [{"path": "/", "category": "start"}]}).json() == {"changed": 1}
    rows = [["/", "", None, "start"], ["/", "b.example", "Blog", None], ["/b", "", "B again", None]]
    assert listed(ask("GET")) == rows
    assert listed(ask("GET", limit=1, after_path="/", after_host="")) == rows[1:2]
    assert ask("DELETE", path="/").status_code == 204
    assert [ask("DELETE", path="/").status_code, ask("DELETE", path="/b", host="b.example").status_code] == [404, 404]
    assert listed(ask("GET")) == rows[1:]
    assert listed(ask("GET", at="/admin/sources/blog/pages")) == []


def test_changes_are_audited(ask):
    ask("PUT", {"pages": [page("/", "Home")]})
    ask("PUT", {"pages": [page("/", "Home")]})
    ask("PUT", {"pages": [page("/a", "A"), page("/b", "B")]})
    ask("DELETE", path="/a")
    entries = ask("GET", at="/admin/audit").json()["items"]
    about = [entry for entry in entries if entry["action"].startswith("page")]
    assert [(entry["action"], entry["target"], entry["source"], entry["detail"]) for entry in about] == [
        ("page_removed", "/a", "shop", {}),
        ("pages_set", "shop", "shop", {"pages": 2}),
        ("pages_set", "/", "shop", {"title": "Home", "category": None}),
    ]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("pages", "required")]),
        ({"pages": [page("/", "x")] * (MAX_AT_ONCE + 1)}, [("pages", "too_many")]),
        ({"pages": [page("/")]}, [("pages.0.title", "required")]),
        ({"pages": [page("", "x")]}, [("pages.0.path", "length")]),
        ({"pages": [page("/" * 2001, "x")]}, [("pages.0.path", "length")]),
        ({"pages": [page("/", "x" * 501, "y" * 101, "h" * 254)]},
         [("pages.0.category", "length"), ("pages.0.host", "length"), ("pages.0.title", "length")]),
        ({"pages": [page("/", "x\0")]}, [("pages.0.title", "nul_character")]),
        ({"pages": [page("/", 5)]}, [("pages.0.title", "invalid_value")]),
        ({"pages": [{"path": "/", "name": "x", "title": "y"}]}, [("pages.0.name", "invalid_value")]),
        ({"pages": "/"}, [("pages", "invalid_value")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(ask, body, errors):
    answer = ask("PUT", body)
    assert answer.status_code == 422, answer.text
    assert sorted((error["parameter"], error["code"]) for error in answer.json()["errors"]) == errors
    assert listed(ask("GET")) == []


def test_a_source_has_so_many_pages_at_most(ask, owner):
    owner.execute(
        "insert into pages (source, path, title) select 'shop', '/' || n, 'x' from generate_series(1, %s) as n",
        [MAX_PAGES],
    )
    answer = ask("PUT", {"pages": [page("/1", "y"), page("/new", "x")]})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_pages")
    assert ask("PUT", {"pages": [page("/1", "y")]}).json() == {"changed": 1}
    assert ask("PUT", {"pages": [page("/new", "x")]}, at="/admin/sources/blog/pages").json() == {"changed": 1}


def test_another_source_s_pages_are_as_those_of_none(ask, world, owner):
    owner.execute("insert into pages (source, path, title) values ('shop', '/', 'Home')")
    restricted, body = world.admin("blog"), {"pages": [page("/", "x")]}
    for at in (PATH, "/admin/sources/nowhere/pages"):
        answers = [
            ask("GET", at=at, headers=restricted),
            ask("PUT", body, at=at, headers=restricted),
            ask("DELETE", at=at, headers=restricted, path="/"),
        ]
        assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert ask("PUT", body, at="/admin/sources/blog/pages", headers=restricted).status_code == 200
    assert owner.execute("select title from pages where source = 'shop'").fetchall() == [("Home",)]


def test_the_command_sets_lists_and_removes_pages(run):
    assert run("set", "shop", "/", "--title", "Home", "--category", "start") == "set\n"
    assert run("set", "shop", "/", "--title", "Home", "--category", "start") == "nothing to change\n"
    assert "--title" in run("set", "shop", "/", code=2)
    run("set", "shop", "/", "--title", "Blog", "--host", "b.example")
    found = [json.loads(line) for line in run("list", "shop", "--json").splitlines()]
    assert [(one["host"], one["title"]) for one in found] == [("", "Home"), ("b.example", "Blog")]
    assert run("remove", "shop", "/", "--host", "b.example") == "removed\n"
    assert "b.example" not in run("list", "shop")
    assert "404" in run("remove", "shop", "/nowhere", code=2)


def test_the_command_applies_a_file(run, tmp_path):
    file = tmp_path / "pages.yaml"
    numbered = "".join(f"  - {{path: /{n}, title: Page {n}}}\n" for n in range(MAX_AT_ONCE + 1))
    file.write_text(f"pages:\n{numbered}  - {{path: /, category: start, host: b.example}}\n")
    assert run("apply", "shop", str(file)) == "502 of 502 pages changed\n"
    assert run("apply", "shop", str(file)) == "0 of 502 pages changed\n"
    assert len(run("list", "shop", "--json").splitlines()) == 502
    file.write_text("sources: {}")
    assert "no list `pages`" in run("apply", "shop", str(file), code=1)
    file.write_text("pages: [{path: /, titel: x}]")
    assert "pages.0.titel" in run("apply", "shop", str(file), code=2)
