"""Management under /admin: what admins can do, what admins of some sources can't do, and what the audit log records.

Ada may change everything. Sam is an admin of the source `shop` only. There are also `blog`, which is foreign to Sam, and
`nowhere`, which doesn't exist.
"""

import hashlib
import threading
import time

import pytest
import requests

from event_tracker.core.secrets.keys import make_key

TABLES = "people, sign_ins, failed_sign_ins, api_tokens, audit, pages, sources, event_schemas, write_keys, rate_limits, schemas_set_aside, rejections"


@pytest.fixture(scope="module")
def guarded(start_guarded):
    return start_guarded()


@pytest.fixture(autouse=True)
def cast(shared_owner):
    """name → the token that they send."""
    shared_owner.execute(f"truncate {TABLES}")
    shared_owner.execute("insert into sources (name) values ('default'), ('shop'), ('blog')")
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

    def ask(who, endpoint, body=None):
        method, path = endpoint.split(" ")
        headers = {"Authorization": f"Bearer {cast.get(who, who)}"}
        answer = requests.request(method, guarded.url + path, json=body, headers=headers, timeout=30)
        return answer.status_code, answer.json() if answer.content else None

    return ask


def refused(answer):
    status, body = answer
    return status, body["code"]


def audit(ask, who="ada"):
    status, body = ask(who, "GET /admin/audit")
    assert status == 200
    return [(entry["action"], entry["target"]) for entry in body["items"]]


def test_a_source_is_made_and_changed_member_by_member(ask):
    given = {"allowed_origins": ["https://Shop.example"], "rate_limit": 50}
    status, made = ask("ada", "PUT /admin/sources/app", given)
    assert status == 201
    assert (made["allowed_origins"], made["enabled"], made["rate_limit"]) == (["https://shop.example"], True, 50)
    status, changed = ask("ada", "PUT /admin/sources/app", {"enabled": False})
    assert (status, changed) == (200, {**made, "enabled": False})
    assert ask("ada", "PUT /admin/sources/app", {"rate_limit": None})[1]["rate_limit"] is None
    assert ask("ada", "PUT /admin/sources/app", {})[0] == 200
    assert audit(ask) == [("source_changed", "app"), ("source_changed", "app"), ("source_created", "app")]
    newest = ask("ada", "GET /admin/audit?limit=1")[1]["items"][0]
    assert ask("ada", "PUT /admin/sources/app", {"schema_mode": "warn"})[1]["schema_mode"] == "warn"
    assert ask("ada", "PUT /admin/sources/app", {"keep": 90})[1]["keep"] == 90
    assert ask("ada", "PUT /admin/sources/app", {"keep": None})[1]["keep"] is None
    assert newest["detail"] == {"rate_limit": {"from": 50, "to": None}}
    assert newest["actor"].startswith("rt_")
    older = ask("ada", f"GET /admin/audit?before={newest['id']}")[1]["items"]
    assert older[0]["detail"] == {"enabled": {"from": True, "to": False}}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://*.Bücher.example", "https://*.xn--bcher-kva.example"),
        ("HTTPS://Shop.example:443/", "https://shop.example"),
        ("http://shop.example:080", "http://shop.example"),
        ("http://shop.example:8080", "http://shop.example:8080"),
        ("http://[2001:DB8:0::1]:3000", "http://[2001:db8::1]:3000"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("safari-web-extension://0A1B2C3D-0000-0000-0000-000000000000",) * 2,
        ("chrome-extension://abcdefghijklmnopabcdefghijklmnop",) * 2,
        ("null", "null"),
        ("*", "*"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(ask, given, sent):
    for _ in range(2):
        assert ask("ada", "PUT /admin/sources/app", {"allowed_origins": [given]})[1]["allowed_origins"] == [sent]
    declared = {"sources": {"app": {"allowed_origins": [given]}}}
    assert ask("ada", "POST /admin/apply", declared) == (200, {"applied": True, "changes": []})


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("file://", "null"),
        ("wss://shop.example", "scheme"),
        ("https://shop.example:0", "port"),
        ("https://shop.example:65536", "port"),
        ("https://*.*.example", "wildcard"),
        ("https://*shop.example", "wildcard"),
        ("https://*.192.0.2.1", "subdomains"),
        ("https://192.0.2.999", "IP address"),
        ("https://shop..example", "domain name"),
        ("https://\u2488.example", "international"),
        ("chrome-extension://*", "wildcards"),
        ("https://shop.example?", "no path"),
        ("https://" + "a" * 400, "no path"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_with_the_reason(ask, origin, reason):
    status, body = ask("ada", "PUT /admin/sources/app", {"allowed_origins": [origin]})
    assert status == 422
    assert reason in str(body["errors"])


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"allowed_origins": ["shop.example"]}, "allowed_origins.0"),
        ({"allowed_origins": ["https://shop.example/path"]}, "allowed_origins.0"),
        ({"allowed_origins": ["https://ann@shop.example"]}, "allowed_origins.0"),
        ({"allowed_origins": ["https://[shop"]}, "allowed_origins.0"),
        ({"allowed_origins": "*"}, "allowed_origins"),
        ({"allowed_origins": ["*"] * 101}, "allowed_origins"),
        ({"schema_mode": "strict"}, "schema_mode"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": True}, "rate_limit"),
        ({"rate_limit": "5"}, "rate_limit"),
        ({"keep": 0}, "keep"),
        ({"keep": 36_501}, "keep"),
        ({"enabled": "yes"}, "enabled"),
        ({"colour": "red"}, "colour"),
        ([], "body"),
    ],
)
def test_what_a_source_cannot_be_is_told(ask, body, parameter):
    status, problem = ask("ada", "PUT /admin/sources/shop", body)
    assert status == 422
    assert [error["parameter"] for error in problem["errors"]] == [parameter]
    assert audit(ask) == []


@pytest.mark.parametrize("name", ["Shop", "-shop", "a" * 101, "%00", "sh%20op", "%F0%9F%99%82"])
def test_what_cannot_be_a_name_is_not_there(ask, name):
    for endpoint in (
        f"GET /admin/sources/{name}", f"PUT /admin/sources/{name}", f"GET /admin/sources/{name}/keys",
        f"POST /admin/sources/{name}/keys", f"DELETE /admin/keys/{name}", f"DELETE /admin/tokens/{name}",
        f"GET /admin/people/{name}%00", f"PUT /admin/people/{name}%00", f"POST /admin/people/{name}%00/password",
    ):  # fmt: skip
        assert refused(ask("ada", endpoint, {} if endpoint.startswith("PUT") else None)) == (404, "not_found")


@pytest.mark.parametrize("name", ["owner", "anyone", "rt_0123456789"])
def test_nobody_is_called_as_others_are_in_the_audit_log(ask, name):
    assert refused(ask("ada", f"PUT /admin/people/{name}", {"role": "viewer"})) == (404, "not_found")
    assert ask("ada", f"PUT /admin/people/{name}s", {"role": "viewer"})[0] in (200, 201)


def test_a_key_is_shown_once_and_revoked(ask, shared_owner):
    status, made = ask("ada", "POST /admin/sources/shop/keys")
    assert status == 201
    ((stored,),) = shared_owner.execute("select hash from write_keys where prefix = %s", [made["prefix"]]).fetchall()
    assert stored == hashlib.sha256(made["key"].encode()).digest()
    assert made["key"].startswith(f"{made['prefix']}_")
    (listed,) = ask("ada", "GET /admin/sources/shop/keys")[1]["items"]
    assert (listed["prefix"], listed["source"], listed["revoked_at"]) == (made["prefix"], "shop", None)
    assert ask("ada", "GET /admin/sources/shop")[1]["keys"] == 1
    assert ask("ada", f"DELETE /admin/keys/{made['prefix']}") == (204, None)
    assert ask("ada", "GET /admin/sources/shop/keys")[1]["items"][0]["revoked_at"] is not None
    assert ask("ada", "GET /admin/sources/shop")[1]["keys"] == 0
    assert audit(ask) == [("key_revoked", made["prefix"]), ("key_created", made["prefix"])]
    assert made["key"].rpartition("_")[2] not in str(ask("ada", "GET /admin/audit")[1])


def test_a_token_made_here_gets_in_and_a_revoked_one_does_not(ask):
    given = {"name": "charts", "scopes": ["read_stats"], "sources": ["shop"], "days": 30}
    status, made = ask("ada", "POST /admin/tokens", given)
    assert status == 201
    status, me = ask(made["token"], "GET /auth/me")
    assert (status, me["scopes"], me["sources"]) == (200, ["read_stats"], ["shop"])
    assert refused(ask(made["token"], "GET /admin/sources")) == (403, "scope_required")
    listed = {row["prefix"]: row for row in ask("ada", "GET /admin/tokens")[1]["items"]}[made["prefix"]]
    assert (listed["name"], listed["revoked_at"]) == ("charts", None)
    assert listed["expires_at"] is not None
    assert ask("ada", f"DELETE /admin/tokens/{made['prefix']}")[0] == 204
    deadline = time.monotonic() + 20
    while ask(made["token"], "GET /auth/me")[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ask(made["token"], "GET /auth/me")[0] == 401
    assert audit(ask) == [("token_revoked", made["prefix"]), ("token_created", made["prefix"])]


@pytest.mark.parametrize(
    ("change", "parameter", "code"),
    [
        ({"scopes": []}, "scopes", "invalid_value"),
        ({"scopes": ["everything"]}, "scopes.0", "invalid_choice"),
        ({"scopes": [{}]}, "scopes.0", "invalid_value"),
        ({"sources": ["nowhere"]}, "sources.nowhere", "unknown_source"),
        ({"sources": ["a\0"]}, "sources.0", "nul_character"),
        ({"days": 0}, "days", "invalid_integer"),
        ({"name": ""}, "name", "length"),
    ],
)
def test_what_a_token_cannot_be_is_told(ask, change, parameter, code):
    body = {"name": "x", "scopes": ["export"], "sources": None, **change}
    status, problem = ask("ada", "POST /admin/tokens", body)
    assert status == 422
    assert [(error["parameter"], error["code"]) for error in problem["errors"]] == [(parameter, code)]


def test_a_person_is_added_signs_in_once_and_sets_a_password(ask, guarded):
    status, made = ask("ada", "PUT /admin/people/ben", {"role": "analyst", "sources": ["shop"]})
    assert (status, made["role"], made["has_password"], made["last_seen"]) == (201, "analyst", False, None)
    status, reset = ask("ada", "POST /admin/people/ben/password")
    assert status == 201
    body = {"name": "ben", "password": reset["password"]}
    signed_in = requests.post(f"{guarded.url}/auth/sign-in", json=body, timeout=30)
    assert (signed_in.status_code, signed_in.json()["must_set_password"]) == (200, True)
    token = signed_in.json()["access_token"]
    assert requests.post(f"{guarded.url}/auth/sign-in", json=body, timeout=30).status_code == 401
    assert ask(token, "GET /auth/me")[1]["sources"] == ["shop"]
    assert ask("ada", "GET /admin/people/ben")[1]["last_seen"] is not None
    assert ask("ada", "PUT /admin/people/ben", {"enabled": False})[1]["enabled"] is False
    deadline = time.monotonic() + 20
    while ask(token, "GET /auth/me")[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ask(token, "GET /auth/me")[0] == 401
    refresh = {"refresh_token": signed_in.json()["refresh_token"]}
    ask("ada", "PUT /admin/people/ben", {"enabled": True})
    assert requests.post(f"{guarded.url}/auth/refresh", json=refresh, timeout=30).status_code == 401


def test_the_last_admin_stays(ask):
    ask("ada", "PUT /admin/people/ann", {"role": "admin"})
    for change in ({"role": "viewer"}, {"enabled": False}, {"sources": ["shop"]}):
        assert refused(ask("ada", "PUT /admin/people/ann", change)) == (409, "last_admin")
    assert ask("ada", "GET /admin/people/ann")[1]["role"] == "admin"
    ask("ada", "PUT /admin/people/bea", {"role": "admin"})
    assert ask("ada", "PUT /admin/people/ann", {"role": "viewer"})[0] == 200


def test_two_who_take_each_others_role_away_leave_one(ask):
    for name in ("ann", "bea"):
        ask("ada", f"PUT /admin/people/{name}", {"role": "admin"})
    answers = []
    threads = [
        threading.Thread(target=lambda name=name: answers.append(ask("ada", f"PUT /admin/people/{name}", {"role": "viewer"})[0]))
        for name in ("ann", "bea")
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409]


AMOUNT = {"type": "object", "properties": {"amount": {"type": "number"}}}


def test_a_schema_gets_versions(ask):
    def put(schema):
        return ask("ada", "PUT /admin/sources/shop/schemas", {"event_type": "buy", "schema": schema})

    assert put(AMOUNT) == (201, {"version": 1, "is_new": True})
    assert put(AMOUNT) == (200, {"version": 1, "is_new": False})
    assert put({})[1]["version"] == 2
    (listed,) = ask("ada", "GET /admin/sources/shop/schemas")[1]["items"]
    assert (listed["event_type"], listed["version"], listed["mode"]) == ("buy", 2, "off")
    versions = ask("ada", "GET /admin/sources/shop/schemas?event_type=buy")[1]["items"]
    assert [(one["version"], one["schema"]) for one in versions] == [(2, {}), (1, AMOUNT)]
    assert audit(ask) == [("schema_set", "buy"), ("schema_set", "buy")]
    status, problem = put({"properties": {"amount": {"type": "nmber"}}})
    assert (status, problem["code"], problem["pointer"]) == (422, "invalid_schema", "/properties/amount/type")
    assert ask("sam", "PUT /admin/sources/shop/schemas", {"event_type": "view", "schema": {}})[0] == 201


def listing(most):
    """A schema of so many bytes, nearly all of them in a list."""
    return {"enum": ["x" * (most - 20)]}


def test_the_schemas_of_a_source_have_a_size_together(ask):
    def put(event_type, schema):
        return ask("sam", "PUT /admin/sources/shop/schemas", {"event_type": event_type, "schema": schema})

    for number in range(64):
        assert put(f"type{number}", listing(65_000))[0] == 201
    status, problem = put("one more", listing(65_000))
    assert (status, problem["code"]) == (422, "invalid_schema")
    assert "The schemas of a source may have 4194304 bytes together" in problem["detail"]
    assert put("one more", {})[0] == 201
    assert put("type1", listing(100))[0] == 201
    assert put("one more", listing(65_000))[0] == 201
    status, problem = put("numbers", {"enum": [i * 1e300 for i in range(1000)]})
    assert (status, problem["code"]) == (422, "invalid_schema")
    assert "PostgreSQL writes its numbers out" in problem["detail"]


def test_of_many_versions_the_newest_are_listed_and_each_can_be_asked_for(ask):
    for number in range(22):
        schema = {"maxProperties": number}
        assert ask("ada", "PUT /admin/sources/shop/schemas", {"event_type": "buy", "schema": schema})[0] == 201
    path = "GET /admin/sources/shop/schemas?event_type=buy"
    assert [one["version"] for one in ask("ada", path)[1]["items"]] == [*range(22, 2, -1)]
    (first,) = ask("ada", f"{path}&version=1")[1]["items"]
    assert (first["version"], first["schema"]) == (1, {"maxProperties": 0})
    assert ask("ada", f"{path}&version=23")[1]["items"] == []
    assert ask("ada", f"{path}&version=0")[0] == 422


def test_a_schema_is_proposed_from_what_was_received(ask, shared_owner):
    assert refused(ask("ada", "GET /admin/sources/shop/schemas/proposal?event_type=buy")) == (404, "no_events")
    shared_owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, source, properties)"
        """ select 'ann', now(), uuidv7(), 'buy', 'shop', '{"amount": 1}' from generate_series(1, 5)"""
    )
    shared_owner.execute("insert into event_counts values (date_trunc('hour', now()), 'buy', 'shop', 1, 5)")
    status, told = ask("sam", "GET /admin/sources/shop/schemas/proposal?event_type=buy&sample=3")
    shared_owner.execute("truncate events, event_counts")
    assert (status, told["event_type"], told["events"]) == (200, "buy", 3)
    assert told["schema"]["properties"] == {"amount": {"type": "integer"}}
    assert ask("sam", "PUT /admin/sources/shop/schemas", {"event_type": "buy", "schema": told["schema"]})[0] == 201
    assert refused(ask("ada", "GET /admin/sources/shop/schemas/proposal"))[0] == 422
    assert refused(ask("ada", "GET /admin/sources/shop/schemas/proposal?event_type=buy&sample=50001"))[0] == 422


def refuse(owner, source, user_id="zoe"):
    """An event of a source that was refused."""
    owner.execute(
        """insert into rejections (id, source, received_at, reason, detail, event_type, user_id, payload, is_whole)
        values (gen_random_uuid(), %s, now(), 'required', '[]', 'buy', %s, '{}', true)""",
        [source, user_id],
    )


def test_refused_events_are_seen_by_whose_they_are(ask, shared_owner):
    for source in ("shop", "shop", "blog"):
        refuse(shared_owner, source)
    assert [one["source"] for one in ask("sam", "GET /admin/rejections")[1]["items"]] == ["shop", "shop"]
    assert len(ask("ada", "GET /admin/rejections?reason=required&user_id=zoe")[1]["items"]) == 3
    assert [(one["source"], one["events"]) for one in ask("sam", "GET /admin/rejections/counts")[1]["items"]] == [
        ("shop", 2)
    ]
    for source in ("blog", "nowhere"):
        assert ask("sam", f"GET /admin/rejections?source={source}")[1] == {"items": []}
        assert ask("sam", f"GET /admin/rejections/counts?source={source}")[1] == {"items": []}
        assert refused(ask("sam", "POST /admin/rejections/replay", {"source": source})) == (404, "not_found")
    assert ask("sam", "POST /admin/rejections/replay", {"source": "shop", "event_type": "buy"}) == (202, {"events": 2})
    assert ask("sam", "POST /admin/rejections/replay", {"source": "shop"}) == (202, {"events": 0})
    newest = ask("sam", "GET /admin/audit?limit=1")[1]["items"][0]
    assert (newest["action"], newest["detail"]) == ("replay_requested", {"events": 2, "event_type": "buy"})
    first = ask("ada", "GET /admin/rejections?limit=1")[1]["items"][0]["id"]
    assert len(ask("ada", f"GET /admin/rejections?before={first}")[1]["items"]) == 2


def test_an_admin_of_one_source_manages_it(ask):
    assert [source["name"] for source in ask("sam", "GET /admin/sources")[1]["items"]] == ["shop"]
    assert ask("sam", "PUT /admin/sources/shop", {"rate_limit": 5})[0] == 200
    assert ask("sam", "POST /admin/sources/shop/keys")[0] == 201
    status, made = ask("sam", "POST /admin/tokens", {"name": "x", "scopes": ["export"], "sources": ["shop"]})
    assert status == 201
    assert ask("sam", f"DELETE /admin/tokens/{made['prefix']}")[0] == 204
    ask("ada", "PUT /admin/sources/blog", {"rate_limit": 5})
    assert [source for _, source in audit(ask, "sam")][-1] == "shop"
    assert ("source_changed", "blog") in audit(ask)
    assert ("source_changed", "blog") not in audit(ask, "sam")


def test_what_is_foreign_looks_like_what_is_not_there(ask):
    foreign = ask("ada", "POST /admin/sources/blog/keys")[1]["prefix"]
    token = ask("ada", "POST /admin/tokens", {"name": "x", "scopes": ["export"], "sources": ["blog"]})[1]["prefix"]
    pairs = [
        ("GET /admin/sources/{}", "blog", "nowhere"),
        ("PUT /admin/sources/{}", "blog", "nowhere"),
        ("GET /admin/sources/{}/keys", "blog", "nowhere"),
        ("POST /admin/sources/{}/keys", "blog", "nowhere"),
        ("GET /admin/sources/{}/schemas", "blog", "nowhere"),
        ("PUT /admin/sources/{}/schemas", "blog", "nowhere"),
        ("GET /admin/sources/{}/schemas/proposal?event_type=view", "blog", "nowhere"),
        ("DELETE /admin/keys/{}", foreign, "wk_0123456789"),
        ("DELETE /admin/tokens/{}", token, "rt_0123456789"),
    ]
    for endpoint, *names in pairs:
        body = {"event_type": "view", "schema": {}} if endpoint.endswith("schemas") else {}
        answers = [ask("sam", endpoint.format(name), body if endpoint.startswith("PUT") else None) for name in names]
        for _, problem in answers:
            del problem["request_id"]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    named = [
        ask("sam", "POST /admin/tokens", {"name": "x", "scopes": ["export"], "sources": [name]})
        for name in ("blog", "nowhere")
    ]
    assert [(status, body["errors"][0]["code"], body["errors"][0]["detail"]) for status, body in named] == [
        (422, "unknown_source", "Is not a source; GET /admin/sources lists them.")
    ] * 2
    assert foreign not in str(ask("sam", "GET /admin/sources/shop/keys"))
    assert [row["name"] for row in ask("sam", "GET /admin/tokens")[1]["items"]] == ["sam"]


def test_an_admin_of_one_source_manages_nobody(ask):
    for endpoint in (
        "GET /admin/people",
        "GET /admin/people/ann",
        "PUT /admin/people/ann",
        "POST /admin/people/ann/password",
    ):
        assert refused(ask("sam", endpoint, {} if endpoint.startswith("PUT") else None)) == (
            403,
            "all_sources_required",
        )
    body = {"name": "x", "scopes": ["admin"], "sources": None}
    assert refused(ask("sam", "POST /admin/tokens", body)) == (403, "all_sources_required")


def declared_key():
    new = make_key("wk")
    return new, {"prefix": new.prefix, "sha256": new.hash.hex()}


def test_a_declaration_is_shown_applied_and_then_true(ask):
    _, one = declared_key()
    _, two = declared_key()
    body = {"sources": {"shop": {"rate_limit": 9, "keys": [one]}, "app": {"allowed_origins": ["*"], "keys": [two]}}}
    status, shown = ask("ada", "POST /admin/apply?dry_run=true", body)
    assert (status, shown["applied"]) == (200, False)
    assert [(change["action"], change["target"]) for change in shown["changes"]] == [
        ("source_created", "app"), ("key_created", two["prefix"]), ("source_changed", "shop"), ("key_created", one["prefix"]),
    ]  # fmt: skip
    assert audit(ask) == []
    assert ask("ada", "GET /admin/sources/app")[0] == 404
    assert ask("ada", "POST /admin/apply", body)[1] == {"applied": True, "changes": shown["changes"]}
    assert ask("ada", "GET /admin/sources/app")[1]["keys"] == 1
    assert audit(ask)[::-1] == [(change["action"], change["target"]) for change in shown["changes"]]
    assert ask("ada", "POST /admin/apply", body)[1] == {"applied": True, "changes": []}
    assert ask("ada", "GET /admin/sources/blog")[0] == 200


def test_a_declaration_may_have_schemas_and_how_long_events_are_kept(ask):
    body = {"sources": {"shop": {"schema_mode": "warn", "keep": 400, "schemas": {"buy": AMOUNT, "view": {}}}}}
    changes = ask("ada", "POST /admin/apply", body)[1]["changes"]
    assert [change["action"] for change in changes] == ["source_changed", "schema_set", "schema_set"]
    assert changes[0]["detail"]["keep"] == {"from": None, "to": 400}
    assert ask("ada", "GET /admin/sources/shop")[1]["keep"] == 400
    assert ask("ada", "POST /admin/apply", body)[1]["changes"] == []
    body["sources"]["shop"]["schemas"]["buy"] = {"$ref": "https://example.com"}
    assert refused(ask("ada", "POST /admin/apply", body)) == (422, "invalid_schema")


def test_keys_that_a_declaration_leaves_out_are_revoked_and_stay_so(ask):
    _, old = declared_key()
    _, new = declared_key()
    ask("ada", "POST /admin/apply", {"sources": {"shop": {"keys": [old]}}})
    assert ask("ada", "POST /admin/apply", {"sources": {"shop": {}}})[1]["changes"] == []
    changes = ask("ada", "POST /admin/apply", {"sources": {"shop": {"keys": [new]}}})[1]["changes"]
    assert [(change["action"], change["target"]) for change in changes] == [
        ("key_created", new["prefix"]), ("key_revoked", old["prefix"]),
    ]  # fmt: skip
    back = {"sources": {"app": {}, "shop": {"keys": [old, new]}}}
    assert refused(ask("ada", "POST /admin/apply", back)) == (409, "key_conflict")
    assert ask("ada", "GET /admin/sources/app")[0] == 404
    assert refused(ask("ada", "POST /admin/apply", {"sources": {"blog": {"keys": [new]}}})) == (409, "key_conflict")
    other = {**new, "sha256": "0" * 64}
    assert refused(ask("ada", "POST /admin/apply", {"sources": {"shop": {"keys": [other]}}})) == (409, "key_conflict")


def test_a_declared_key_is_the_key(ask, start_service, postgres, shared_database):
    new, declared = declared_key()
    ask("ada", "POST /admin/apply", {"sources": {"shop": {"keys": [declared]}}})
    collector = start_service("collector", DATABASE_URL=postgres.url(shared_database, "collector"), AUTH="required")
    event = {"user_id": "ann", "event_type": "view"}
    answer = requests.post(f"{collector.url}/events", json=event, headers={"X-Write-Key": new.key}, timeout=30)
    assert answer.status_code == 201


def test_an_admin_of_one_source_declares_that_only(ask):
    assert ask("sam", "POST /admin/apply", {"sources": {"shop": {"rate_limit": 3}}})[0] == 200
    answers = [ask("sam", "POST /admin/apply", {"sources": {"shop": {}, name: {}}}) for name in ("blog", "nowhere")]
    assert [refused(answer) for answer in answers] == [(404, "not_found")] * 2


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "sources"),
        ({"sources": []}, "sources"),
        ({"sources": {"Shop": {}}}, "sources.Shop"),
        ({"sources": {"shop": {"rate": 3}}}, "sources.shop.rate"),
        (
            {"sources": {"shop": {"keys": [{"prefix": "rt_0123456789", "sha256": "0" * 64}]}}},
            "sources.shop.keys.0.prefix",
        ),
        ({"sources": {"shop": {"keys": [{"prefix": "wk_0123456789", "sha256": "0"}]}}}, "sources.shop.keys.0.sha256"),
        ({"sources": {"shop": None}}, "sources.shop"),
        ({"sources": {}, "people": {}}, "people"),
    ],
)
def test_what_a_declaration_cannot_say_is_told(ask, body, parameter):
    status, problem = ask("ada", "POST /admin/apply", body)
    assert status == 422
    assert [error["parameter"] for error in problem["errors"]] == [parameter]


def test_nothing_is_done_that_the_audit_log_cannot_say(ask, shared_owner):
    shared_owner.execute("alter table audit rename to elsewhere")
    try:
        assert ask("ada", "PUT /admin/sources/app", {})[0] == 500
    finally:
        shared_owner.execute("alter table elsewhere rename to audit")
    assert ask("ada", "GET /admin/sources/app")[0] == 404
