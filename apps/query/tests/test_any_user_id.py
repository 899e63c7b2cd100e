"""Every user id that can be stored can be read, exported and erased, and no other user is touched."""

import http.client
import json

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from world import World, an_event

from event_tracker.core.secrets.keys import make_key

AT = "2026-03-01T10:00:00Z"

PIECES = [
    "/",
    ".",
    "..",
    "\n",
    "\r",
    " ",
    "export",
    "/export",
    "%2F",
    "%0A",
    "%",
    "+",
    "&",
    "=",
    "?",
    "#",
    ";",
    "x",
    "\ufeff",
]
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
IDS = (
    st.one_of(st.text(CHARACTERS), st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
    .map(lambda text: text[:200])
    .filter(bool)
)


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


def neighbours(user_id):
    """Ids for which a request might be taken that is about this one."""
    near = {
        user_id.strip(),
        user_id.strip("/"),
        user_id.removesuffix("/export"),
        f"{user_id}\n",
        f"{user_id}/export",
        requests.utils.unquote(user_id),
        user_id.replace("+", " "),
    }
    return sorted(other for other in near - {user_id} if 1 <= len(other) <= 200 and "\0" not in other)


def stored(owner):
    return dict(owner.execute("select user_id, count(*) from events group by 1").fetchall())


def test_any_id_is_read_exported_and_erased(world):
    headers = world.admin()
    session = requests.Session()

    def ask(method, path, **parameters):
        return session.request(method, f"{world.query.url}{path}", params=parameters, headers=headers, timeout=60)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(user_id=IDS)
    @example("carol\n")
    @example("\n")
    @example("/")
    @example(".")
    @example("..")
    @example("../livez")
    @example("q/export")
    @example("export")
    @example("\U0010ffff" * 200)
    def check(user_id):
        everybody = [user_id, *neighbours(user_id)]
        world.send([an_event(other, AT, 1) for other in everybody])
        before = stored(world.owner)
        profile = ask("GET", "/user", user_id=user_id)
        assert (profile.status_code, profile.json().get("user_id")) == (200, user_id), profile.text
        for events in (
            ask("GET", "/events", user_id=user_id).json()["events"],
            ask("GET", "/user/export", user_id=user_id).json()["events"],
        ):
            assert [event["user_id"] for event in events] == [user_id]
        lines = ask("GET", "/user/export", user_id=user_id, format="ndjson").content.split(b"\n")
        assert json.loads(lines[0])["user_id"] == user_id
        erased = ask("DELETE", "/user", user_id=user_id)
        assert (erased.status_code, erased.json()["counts"]["events"]) == (200, 1), erased.text
        del before[user_id]
        assert stored(world.owner) == before
        assert ask("GET", "/user", user_id=user_id).json()["code"] == "user_not_found"
        assert ask("GET", "/user/export", user_id=user_id).json()["code"] == "user_not_found"

    check()


@pytest.mark.parametrize(
    "path", ["/users/q%2Fexport", "/users/q%2fexport", "/users/q/%65xport", "/users/q%2Fexport?x=/export"]
)
def test_a_path_that_may_mean_two_users_exports_neither(world, path):
    world.send([an_event("q", AT, 1), an_event("q/export", AT, 1)])
    connection = http.client.HTTPConnection(world.query.url.removeprefix("http://"), timeout=30)
    connection.request("GET", path, headers=world.admin())
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (404, "not_found")
    connection.close()


@pytest.mark.parametrize(("method", "path"), [("GET", "/user"), ("GET", "/user/export"), ("DELETE", "/user")])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "required"),
        ("user_id=", "length"),
        ("user_id=" + "x" * 201, "length"),
        ("user_id=a%00b", "nul_character"),
        ("user_id=a&user_id=b", "repeated_parameter"),
    ],
)
def test_an_id_that_no_user_has_is_refused(shared_query, start_guarded, shared_admin, method, path, query, code):
    url = f"{start_guarded().url}{path}?{query}"
    answer = requests.request(method, url, headers=shared_admin, timeout=30)
    assert answer.status_code == 422, answer.text
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [("user_id", code)]


@pytest.fixture
def shared_admin(shared_owner):
    """Headers of a token that may do all of it."""
    key = make_key("rt")
    shared_owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{admin,read_events}')",
        [key.prefix, key.hash],
    )
    return {"Authorization": f"Bearer {key.key}"}
