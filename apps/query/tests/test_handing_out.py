"""Tokens that admins make: with no more rights than their maker has, for no longer, and hidden from other admins.

Ada's token has all rights, Sam's is for the source `shop`. Neither expires. Ann is a person, and an admin. There is also `blog`.
"""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from known_password import PASSWORD, PASSWORD_HASH
from waiting import eventually

from event_tracker.core.secrets.keys import make_key

TABLES = "people, sign_ins, failed_sign_ins, api_tokens, audit, pages, sources, event_schemas, schemas_set_aside, write_keys, rate_limits"


@pytest.fixture(autouse=True)
def cast(shared_owner):
    """name → the token that they send."""
    shared_owner.execute(f"truncate {TABLES}")
    shared_owner.execute("insert into sources (name) values ('default'), ('shop'), ('blog')")
    shared_owner.execute("insert into people (name, password_hash, role) values ('ann', %s, 'admin')", [PASSWORD_HASH])
    shared_owner.execute("insert into people (name, password_hash, role) values ('bea', %s, 'admin')", [PASSWORD_HASH])
    tokens = {}
    for name, sources in (("ada", None), ("sam", ["shop"])):
        key = make_key("rt")
        shared_owner.execute(
            "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, %s, %s, '{admin}', %s)",
            [key.prefix, name, key.hash, sources],
        )
        tokens[name] = key.key
    yield tokens
    shared_owner.execute(f"truncate {TABLES}")
    shared_owner.execute("insert into sources (name) values ('default')")


@pytest.fixture
def ask(guarded, cast):
    """ask("ada", "PUT /admin/sources/shop", {...}) → status and body."""

    def ask(who, place, body=None):
        method, path = place.split(" ")
        headers = {"Authorization": f"Bearer {cast.get(who, who)}"}
        answer = requests.request(method, guarded.url + path, json=body, headers=headers, timeout=30)
        return answer.status_code, answer.json() if answer.content else None

    return ask


@pytest.fixture
def make(ask):
    """make("sam", scopes=["export"]) → the new token, as answered."""

    def make(who, **given):
        body = {"name": "x", "scopes": ["admin"], "sources": None if who in ("ada", "ann") else ["shop"], **given}
        status, made = ask(who, "POST /admin/tokens", body)
        assert status == 201, made
        return made

    return make


def sign_in(service, name):
    answer = requests.post(f"{service.url}/auth/sign-in", json={"name": name, "password": PASSWORD}, timeout=30)
    return answer.json()["access_token"]


def refused(answer):
    status, body = answer
    return status, body["code"]


def gets_in(ask, token):
    return ask(token, "GET /auth/me")[0] == 200


def is_out_soon(ask, token):
    return eventually(lambda: not gets_in(ask, token), 30)


def audit(ask):
    return [(entry["action"], entry["target"]) for entry in ask("ada", "GET /admin/audit")[1]["items"]]


def listed(ask, who="ada"):
    return {token["prefix"]: token for token in ask(who, "GET /admin/tokens")[1]["items"]}


def moment(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("days", [None, 1, 3650])
def test_a_token_that_expires_makes_none_that_lives_longer(ask, make, days):
    maker = make("sam", days=1)
    made = make(maker["token"], days=days)
    assert moment(made["expires_at"]) <= moment(maker["expires_at"])
    again = make(made["token"], days=None)
    assert moment(again["expires_at"]) <= moment(maker["expires_at"])
    assert listed(ask)[again["prefix"]]["expires_at"] == again["expires_at"]
    entry = ask("ada", "GET /admin/audit?limit=1")[1]["items"][0]
    assert moment(entry["detail"]["expires_at"]) == moment(again["expires_at"])


def test_one_without_an_end_makes_tokens_for_as_long_as_asked(make):
    assert make("sam", days=None)["expires_at"] is None
    left = moment(make("sam", days=30)["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29) < left < timedelta(days=31)


def test_nobody_hands_out_sources_that_they_have_not(ask):
    body = {"name": "x", "scopes": ["admin"], "sources": None}
    assert refused(ask("sam", "POST /admin/tokens", body)) == (403, "all_sources_required")
    for sources in (["blog"], ["shop", "blog"]):
        assert refused(ask("sam", "POST /admin/tokens", {**body, "sources": sources})) == (422, "invalid_parameters")


def test_what_a_token_made_ends_with_it(ask, make):
    first = make("sam")
    second = make(first["token"])
    third = make(second["token"], scopes=["read_stats"])
    other = make("sam", scopes=["read_stats"])
    assert all(gets_in(ask, made["token"]) for made in (first, second, third, other))
    assert ask("ada", f"DELETE /admin/tokens/{first['prefix']}")[0] == 204
    for made in (first, second, third):
        assert is_out_soon(ask, made["token"])
    assert gets_in(ask, other["token"])
    assert sorted(audit(ask)[:3]) == sorted(
        [("token_revoked", first["prefix"]), ("token_stopped", second["prefix"]), ("token_stopped", third["prefix"])]
    )
    assert [listed(ask)[made["prefix"]]["counts"] for made in (first, second, third, other)] == [False] * 3 + [True]
    assert listed(ask)[third["prefix"]]["made_by"] == second["prefix"]


def test_what_a_token_made_ends_when_it_expires(ask, make, shared_owner):
    maker = make("sam")
    made = make(maker["token"], scopes=["read_stats"])
    assert gets_in(ask, made["token"])
    shared_owner.execute("update api_tokens set expires_at = now() where prefix = %s", [maker["prefix"]])
    assert is_out_soon(ask, made["token"])


def test_a_right_is_handed_on_a_few_times_and_no_further(ask, make):
    """Each look-up asks for all of them."""
    token = make("sam")
    for _ in range(8):
        token = make(token["token"])
    assert gets_in(ask, token["token"])
    body = {"name": "x", "scopes": ["admin"], "sources": ["shop"]}
    assert refused(ask(token["token"], "POST /admin/tokens", body)) == (403, "may_not_hand_out")
    assert len(listed(ask)) == 11


LESS = {
    "demoted": {"role": "analyst"},
    "disabled": {"enabled": False},
    "restricted": {"sources": ["shop"]},
}


@pytest.mark.parametrize("change", LESS)
def test_what_an_admin_made_ends_when_they_are_one_no_more(guarded, ask, make, change):
    made = make(sign_in(guarded, "ann"), scopes=["read_stats"], sources=None)
    own = make(made_of := make(sign_in(guarded, "ann"), sources=["blog"])["token"], sources=["blog"])
    assert all(gets_in(ask, token) for token in (made["token"], made_of, own["token"]))
    assert listed(ask)[made["prefix"]]["made_by"] == "ann"
    assert ask("ada", "PUT /admin/people/ann", LESS[change])[0] == 200
    for token in (made["token"], made_of, own["token"]):
        assert is_out_soon(ask, token)
    entries = audit(ask)
    assert ("token_stopped", made["prefix"]) in entries
    assert ("token_stopped", own["prefix"]) in entries
    assert listed(ask)[made["prefix"]]["counts"] is False
    assert ask("ada", "PUT /admin/people/ann", {"role": "admin", "enabled": True, "sources": None})[0] == 200
    assert eventually(lambda: gets_in(ask, made["token"]), 30)
    assert ("token_resumed", made["prefix"]) in audit(ask)


def test_what_an_admin_made_for_a_source_that_they_keep_goes_on(guarded, ask, make):
    shop = make(sign_in(guarded, "ann"), scopes=["read_stats"], sources=["shop"])
    everything = make(sign_in(guarded, "ann"), scopes=["read_stats"], sources=None)
    assert ask("ada", "PUT /admin/people/ann", {"sources": ["shop"]})[0] == 200
    assert is_out_soon(ask, everything["token"])
    assert gets_in(ask, shop["token"])


def test_what_an_admin_made_ends_when_they_are_deleted(guarded, ask, make, shared_owner):
    made = make(sign_in(guarded, "ann"), scopes=["read_stats"], sources=None)
    assert gets_in(ask, made["token"])
    shared_owner.execute("delete from people where name = 'ann'")
    assert is_out_soon(ask, made["token"])


def test_somebody_else_of_the_same_name_has_made_none_of_them(guarded, ask, make, shared_owner):
    made = make(sign_in(guarded, "ann"), scopes=["read_stats"], sources=None)
    below = make(make(sign_in(guarded, "ann"), sources=None)["token"], scopes=["read_stats"], sources=None)
    shared_owner.execute("delete from people where name = 'ann'")
    assert ask("ada", "PUT /admin/people/ann", {"role": "admin"})[0] == 201
    for token in (made, below):
        assert is_out_soon(ask, token["token"])
        assert listed(ask)[token["prefix"]]["counts"] is False
    assert "token_resumed" not in {action for action, _ in audit(ask)}


def test_a_sign_in_that_has_ended_hands_nothing_out(guarded, ask, shared_owner):
    """Ann has signed out, or is gone, and somebody else has her name: she is still known for two seconds."""
    token = sign_in(guarded, "ann")
    assert gets_in(ask, token)
    shared_owner.execute("delete from people where name = 'ann'")
    shared_owner.execute("insert into people (name, role) values ('ann', 'admin')")
    status, _ = ask(token, "POST /admin/tokens", {"name": "x", "scopes": ["admin"], "sources": None})
    assert status in (401, 403)
    assert not any(token["counts"] for token in listed(ask).values() if token["made_by"] == "ann")


def test_what_an_instance_of_the_release_before_hands_out_is_of_whoever_has_the_name(ask, shared_owner):
    key = make_key("rt")
    shared_owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes, made_by_person) values (%s, 'x', %s, '{read_stats}', 'ann')",
        [key.prefix, key.hash],
    )
    assert gets_in(ask, key.key)
    assert ask("ada", "PUT /admin/people/ann", {"role": "viewer"})[0] == 200
    assert is_out_soon(ask, key.key)


def test_an_admin_who_is_demoted_at_this_moment_hands_nothing_out(guarded, ask, shared_owner):
    """They are still known for two seconds."""
    token = sign_in(guarded, "ann")
    assert gets_in(ask, token)
    shared_owner.execute("update people set role = 'viewer' where name = 'ann'")
    body = {"name": "x", "scopes": ["admin"], "sources": None}
    assert ask(token, "POST /admin/tokens", body)[0] == 403
    assert audit(ask) == [("sign_in", "ann")]


def test_what_the_owner_or_the_release_before_let_in_has_no_maker(ask, make, cast):
    assert listed(ask)[cast["sam"][:13]]["made_by"] is None
    assert listed(ask)[cast["sam"][:13]]["counts"] is True


def test_a_token_of_no_source_is_no_business_of_an_admin_of_one(ask, make):
    nothing = make("ada", scopes=["read_stats"], sources=[])
    shop = make("ada", scopes=["read_stats"], sources=["shop"])
    assert set(listed(ask, "sam")) == {shop["prefix"], *(p for p, t in listed(ask).items() if t["name"] == "sam")}
    answers = [ask("sam", f"DELETE /admin/tokens/{prefix}") for prefix in (nothing["prefix"], "rt_0123456789")]
    assert [refused(answer) for answer in answers] == [(404, "not_found")] * 2
    assert gets_in(ask, nothing["token"])
    status, problem = ask("sam", "POST /admin/tokens", {"name": "x", "scopes": ["export"], "sources": []})
    assert (status, [error["parameter"] for error in problem["errors"]]) == (422, ["sources"])
    assert ask("sam", f"DELETE /admin/tokens/{shop['prefix']}")[0] == 204


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_applying_tells_nothing_of_keys_of_other_sources(ask, dry_run):
    foreign = ask("ada", "POST /admin/sources/blog/keys")[1]["prefix"]
    revoked = ask("ada", "POST /admin/sources/blog/keys")[1]["prefix"]
    ask("ada", f"DELETE /admin/keys/{revoked}")
    before = audit(ask)
    answers = []
    for prefix in (foreign, revoked, "wk_0123456789"):
        keys = [{"prefix": prefix, "sha256": "0" * 64}]
        status, body = ask("sam", f"POST /admin/apply?dry_run={dry_run}", {"sources": {"shop": {"keys": keys}}})
        answers.append((status, body["code"], body["detail"].replace(prefix, "PREFIX")))
    assert answers == [answers[0]] * 3
    assert answers[0][:2] == (403, "all_sources_required")
    assert audit(ask) == before


def test_an_admin_of_one_source_declares_the_keys_that_it_has(ask, shared_owner):
    kept, dropped = (ask("sam", "POST /admin/sources/shop/keys")[1]["prefix"] for _ in range(2))
    ((hash_,),) = shared_owner.execute("select hash from write_keys where prefix = %s", [kept]).fetchall()
    declared = {"sources": {"shop": {"keys": [{"prefix": kept, "sha256": hash_.hex()}]}}}
    status, done = ask("sam", "POST /admin/apply", declared)
    assert (status, [(change["action"], change["target"]) for change in done["changes"]]) == (
        200,
        [("key_revoked", dropped)],
    )


def test_a_token_and_what_it_made_hand_out_so_many_and_no_more(ask, make, shared_owner):
    first = make("sam")
    below = make(first["token"])
    shared_owner.execute(
        """
        insert into api_tokens (prefix, name, hash, scopes, sources, made_by_token)
        select 'rt_' || lpad(n::text, 10, '0'), 'x', sha256(n::text::bytea), '{read_stats}', '{shop}',
          case when n %% 2 = 0 then %s else %s end
        from generate_series(1, 998) as n
        """,
        [first["prefix"], below["prefix"]],
    )
    body = {"name": "x", "scopes": ["read_stats"], "sources": ["shop"]}
    for who in ("sam", first["token"], below["token"]):
        assert refused(ask(who, "POST /admin/tokens", body)) == (409, "too_many_tokens")
    make("ada")
    assert ask("sam", "DELETE /admin/tokens/rt_0000000001")[0] == 204
    make(below["token"])
    assert refused(ask("sam", "POST /admin/tokens", body)) == (409, "too_many_tokens")
    shared_owner.execute("update api_tokens set expires_at = now() where prefix = 'rt_0000000002'")
    make("sam")


def test_a_person_hands_out_so_many_and_no_more(guarded, ask, make, shared_owner):
    token = sign_in(guarded, "ann")
    handed_out = make(token, sources=None)
    shared_owner.execute("""
        insert into api_tokens (prefix, name, hash, scopes, made_by_person, made_by_id)
        select 'rt_' || lpad(n::text, 10, '0'), 'x', sha256(n::text::bytea), '{read_stats}', name, id
        from people, generate_series(1, 999) as n
        where name = 'ann'
    """)
    body = {"name": "x", "scopes": ["read_stats"], "sources": None}
    assert refused(ask(token, "POST /admin/tokens", body)) == (409, "too_many_tokens")
    make(sign_in(guarded, "bea"), sources=None)
    make(handed_out["token"], sources=None)  # who may see every source is counted alone


def test_whoever_handed_out_very_many_tokens_is_demoted_all_the_same(ask, shared_owner):
    """Each is looked at twice for the audit log, which must not keep the change from being made: so not all of them are."""
    shared_owner.execute("""
        insert into api_tokens (prefix, name, hash, scopes, made_by_person)
        select 'rt_' || lpad(n::text, 8, '0'), 'x', sha256(n::text::bytea), '{admin}', 'bea' from generate_series(1, 1100) as n
    """)
    assert ask("ada", "PUT /admin/people/bea", {"role": "viewer"})[0] == 200
    stopped = "select count(*) from audit where action = 'token_stopped'"
    assert shared_owner.execute(stopped).fetchone() == (1000,)
    counting = "select count(*) from api_tokens where made_by_person = 'bea' and token_counts(prefix)"
    assert shared_owner.execute(counting).fetchone() == (0,)
