"""Signing in by OpenID Connect: errors and attacks of a provider, a browser, or somebody in between."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc.jwk import RSAKey
from lock_waits import waiting_for_locks
from providers import LyingProvider
from signing_key import make_signing_key
from waiting import wait_until

from event_tracker.core.secrets.passwords import hash_password
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.query.settings import QuerySettings

REDIRECT = "http://127.0.0.1:8501/sign-in/oidc/callback"


@pytest.fixture(scope="module")
def one_provider():
    provider = LyingProvider()
    yield provider
    provider.close()


@pytest.fixture
def provider(one_provider):
    """One that doesn't lie yet."""
    one_provider.reset()
    return one_provider


@pytest.fixture(scope="module")
def service(one_provider, start_guarded):
    return start_guarded(**settings(one_provider.issuer))


@pytest.fixture
def fresh(provider, start_guarded):
    """A service that hasn't asked the provider for anything yet."""
    service = start_guarded(**settings(provider.issuer))
    yield service
    service.stop()


@pytest.fixture(autouse=True)
def nobody_yet(shared_owner):
    shared_owner.execute("truncate people, sign_ins, failed_sign_ins, api_tokens, audit")


def settings(issuer, **more):
    return {
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": "tracker",
        "OIDC_CLIENT_SECRET": "s: %cret",
        "OIDC_REDIRECT_URI": REDIRECT,
        "OIDC_ROLES": "staff=viewer,platform=admin",
        **more,
    }


def begin(service, provider=None):
    """What GET /auth/oidc gives, and the parameters with which the browser goes to the provider."""
    answer = requests.get(f"{service.url}/auth/oidc", timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    started = answer.json()
    sent = {name: value for name, (value,) in parse_qs(urlsplit(started["authorization_url"]).query).items()}
    if provider:
        provider.nonce = sent["nonce"]
    return started, sent


def finish(service, started, state, code="a code", **more):
    body = {"code": code, "state": state, "transaction": started["transaction"], **more}
    return requests.post(f"{service.url}/auth/oidc", json=body, timeout=30)


def sign_in(service, provider, **more):
    started, sent = begin(service, provider)
    return finish(service, started, sent["state"], **more)


def refusal(answer):
    return answer.status_code, answer.json().get("code")


def audit_entries(owner):
    return [tuple(row) for row in owner.execute("select actor, action, detail->>'why' from audit order by id")]


def people(owner):
    return [tuple(row) for row in owner.execute("select name, role, password_hash, enabled from people order by name")]


def test_the_browser_is_sent_with_state_nonce_and_challenge_and_nothing_to_keep_secret(service, provider):
    started, sent = begin(service)
    assert started["authorization_url"].startswith(f"{provider.issuer}/auth?")
    assert (sent["response_type"], sent["client_id"], sent["redirect_uri"]) == ("code", "tracker", REDIRECT)
    assert (sent["scope"], sent["code_challenge_method"]) == ("openid email profile", "S256")
    assert {"cret", "verifier"}.isdisjoint(started["authorization_url"])
    other = begin(service)[1]
    assert all(sent[name] != other[name] for name in ("state", "nonce", "code_challenge"))


def test_where_to_come_back_to_is_never_taken_from_a_request(service):
    answer = requests.get(f"{service.url}/auth/oidc?redirect_uri=https://evil.example&next=//evil.example", timeout=30)
    assert answer.json()["redirect_uri"] == REDIRECT
    assert "evil" not in answer.text


def test_whom_the_provider_vouches_for_is_made_a_person_and_known(service, provider, shared_owner):
    answer = sign_in(service, provider)
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert given["person"] == {"name": "zoe@example.com", "role": "viewer", "sources": None}
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    assert requests.get(f"{service.url}/auth/me", headers=headers, timeout=30).json()["scopes"] == ["read_stats"]
    renewed = requests.post(f"{service.url}/auth/refresh", json={"refresh_token": given["refresh_token"]}, timeout=30)
    assert renewed.status_code == 200
    assert people(shared_owner) == [("zoe@example.com", "viewer", None, True)]
    assert audit_entries(shared_owner) == [("zoe@example.com", "sign_in", None)]
    (form,) = provider.redeemed
    assert form["redirect_uri"] == REDIRECT
    assert len(form["code_verifier"]) >= 43


def test_the_role_is_what_the_provider_says_now_and_the_highest_of_several(service, provider, shared_owner):
    sign_in(service, provider)
    provider.make = lambda claims: provider.sign(
        {**claims, "groups": ["staff", "platform", 7], "email": "other@example.com"}
    )
    person = sign_in(service, provider).json()["person"]
    assert person == {"name": "zoe@example.com", "role": "admin", "sources": None}  # the subject counts, not the name
    assert len(people(shared_owner)) == 1


@pytest.mark.parametrize("groups", [None, [], ["others"], "admin", {"staff": 1}, ["staff "]])
def test_who_has_no_role_is_refused_and_their_other_sign_ins_end(service, provider, shared_owner, groups):
    before = sign_in(service, provider).json()["refresh_token"]
    provider.make = lambda claims: provider.sign({**claims, "groups": groups})
    assert refusal(sign_in(service, provider)) == (403, "no_role")
    assert audit_entries(shared_owner)[-1] == ("zoe@example.com", "sign_in_refused", "no_role")
    assert requests.post(f"{service.url}/auth/refresh", json={"refresh_token": before}, timeout=30).status_code == 401


def test_what_an_admin_made_ends_when_the_provider_gives_them_no_role_any_more(service, provider, shared_owner):
    provider.make = lambda claims: provider.sign({**claims, "groups": ["platform"]})
    headers = {"Authorization": f"Bearer {sign_in(service, provider).json()['access_token']}"}
    body = {"name": "x", "scopes": ["read_stats"], "sources": None}
    made = requests.post(f"{service.url}/admin/tokens", json=body, headers=headers, timeout=30).json()["token"]

    def gets_in():
        answer = requests.get(f"{service.url}/auth/me", headers={"Authorization": f"Bearer {made}"}, timeout=30)
        return answer.status_code == 200

    assert gets_in()
    provider.make = lambda claims: provider.sign({**claims, "groups": []})
    assert refusal(sign_in(service, provider)) == (403, "no_role")
    wait_until(lambda: not gets_in())
    provider.make = lambda claims: provider.sign({**claims, "groups": ["platform"]})
    assert sign_in(service, provider).json()["person"]["role"] == "admin"
    wait_until(gets_in)


@pytest.mark.parametrize(
    "spoilt",
    [{"email_verified": False}, {"email_verified": "true"}, {"email": "a b"}, {"email": ""}, {"email": "owner"}],
)
def test_a_name_that_the_provider_isnt_sure_of_is_none(service, provider, shared_owner, spoilt):
    provider.make = lambda claims: provider.sign({**claims, **spoilt})
    assert refusal(sign_in(service, provider)) == (403, "no_name")
    assert people(shared_owner) == []


def test_nobody_gets_the_name_of_somebody_else(service, provider, shared_owner):
    shared_owner.execute("insert into people (name, role) values ('zoe@example.com', 'admin')")
    assert refusal(sign_in(service, provider)) == (403, "name_taken")
    shared_owner.execute("update people set subject = 'https://another.example 7'")
    assert refusal(sign_in(service, provider)) == (403, "name_taken")
    assert people(shared_owner) == [("zoe@example.com", "admin", None, True)]


def test_who_is_disabled_stays_out(service, provider, shared_owner):
    sign_in(service, provider)
    shared_owner.execute("update people set enabled = false")
    assert refusal(sign_in(service, provider)) == (403, "person_disabled")
    assert people(shared_owner) == [("zoe@example.com", "viewer", None, False)]


def test_who_comes_by_the_provider_has_no_password_that_would_outlast_it(service, provider, shared_owner):
    token = sign_in(service, provider).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    body = {"password": "long enough now"}
    answer = requests.post(f"{service.url}/auth/password", json=body, headers=headers, timeout=30)
    assert refusal(answer) == (403, "no_password")
    shared_owner.execute("update people set password_hash = %s", [hash_password("long enough now")])
    body = {"name": "zoe@example.com", **body}
    answer = requests.post(f"{service.url}/auth/sign-in", json=body, timeout=30)
    assert refusal(answer) == (401, "wrong_password")


def test_an_admin_gives_no_password_to_who_comes_by_the_provider(fresh, provider, shared_owner):
    provider.make = lambda claims: provider.sign({**claims, "groups": ["platform"]})
    token = sign_in(fresh, provider).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{fresh.url}/auth/me", headers=headers, timeout=30).json()["by_provider"] is True
    zoe = f"{fresh.url}/admin/people/zoe@example.com"
    assert requests.get(zoe, headers=headers, timeout=30).json()["by_provider"] is True
    assert refusal(requests.post(f"{zoe}/password", headers=headers, timeout=30)) == (409, "by_provider")
    assert people(shared_owner) == [("zoe@example.com", "admin", None, True)]
    assert requests.get(zoe, headers=headers, timeout=30).status_code == 200  # their sign-in goes on


def test_a_new_person_sees_the_sources_of_the_setting_until_an_admin_says_otherwise(
    provider, start_guarded, shared_owner
):
    service = start_guarded(**settings(provider.issuer, OIDC_SOURCES="shop,blog"))
    assert sign_in(service, provider).json()["person"]["sources"] == ["shop", "blog"]
    shared_owner.execute("update people set sources = '{shop}'")
    assert sign_in(service, provider).json()["person"]["sources"] == ["shop"]
    service.stop()


def test_two_first_sign_ins_at_once_under_two_names_are_of_one_person(service, provider, shared_owner):
    started, sent = begin(service, provider)
    with ThreadPoolExecutor(1) as aside:
        with shared_owner.transaction():
            subject = f"{provider.issuer} {provider.claims()['sub']}"
            shared_owner.execute("insert into people (name, role, subject) values ('first', 'viewer', %s)", [subject])
            answer = aside.submit(finish, service, started, sent["state"])
            wait_until(lambda: waiting_for_locks(shared_owner))
        assert answer.result().json()["person"]["name"] == "first"
    assert len(people(shared_owner)) == 1


def test_after_some_hours_the_provider_is_asked_again(service, provider, shared_owner):
    token = sign_in(service, provider).json()["refresh_token"]
    shared_owner.execute("update sign_ins set began_at = now() - interval '13 hours'")
    assert requests.post(f"{service.url}/auth/refresh", json={"refresh_token": token}, timeout=30).status_code == 401


def test_the_code_of_another_browser_is_refused_before_the_provider_is_asked(service, provider):
    """Login CSRF: an attacker's code and state, in the browser of somebody who began a sign-in of their own."""
    _, attackers = begin(service, provider)
    started, _ = begin(service, provider)
    assert refusal(finish(service, started, attackers["state"])) == (401, "oidc_refused")
    assert provider.redeemed == []


def test_a_transaction_that_isnt_the_services_is_refused(service, provider):
    started, sent = begin(service, provider)
    given = sign_in(service, provider).json()
    head, body, signature = started["transaction"].split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for forged in (f"{head}.{body}.{signature[:-4]}AAAA", f"{none}.{body}.", given["access_token"], "x"):
        assert refusal(finish(service, {"transaction": forged}, sent["state"])) == (401, "oidc_refused")
    headers = {"Authorization": f"Bearer {started['transaction']}"}
    assert requests.get(f"{service.url}/auth/me", headers=headers, timeout=30).status_code == 401


def test_a_code_that_the_provider_takes_no_more_is_refused(service, provider):
    provider.status = 400
    assert refusal(sign_in(service, provider)) == (401, "oidc_refused")


def test_an_answer_of_another_issuer_is_refused(service, provider):
    assert refusal(sign_in(service, provider, iss="https://another.example")) == (401, "oidc_refused")
    assert provider.redeemed == []
    assert sign_in(service, provider, iss=provider.issuer).status_code == 200


def test_a_provider_that_promises_to_name_itself_must(fresh, provider):
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    assert refusal(sign_in(fresh, provider)) == (401, "oidc_refused")


SPOILT = {
    "another issuer": {"iss": "https://another.example"},
    "another audience": {"aud": "another"},
    "audiences without azp": {"aud": ["tracker", "another"]},
    "azp of another": {"aud": ["tracker", "another"], "azp": "another"},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "expired": {"exp": 1_000_000_000},
    "no exp": {"exp": None},
    "no sub": {"sub": None},
    "from the future": {"iat": 9_000_000_000},
    "not yet": {"nbf": 9_000_000_000},
}


@pytest.mark.parametrize("what", SPOILT)
def test_an_id_token_that_doesnt_hold_is_refused(service, provider, shared_owner, what):
    def make(claims):
        spoilt = {**claims, **SPOILT[what]}
        return provider.sign({name: value for name, value in spoilt.items() if value is not None})

    provider.make = make
    assert refusal(sign_in(service, provider)) == (401, "oidc_refused")
    assert people(shared_owner) == []


def test_one_that_isnt_signed_by_the_provider_is_refused(service, provider, shared_owner):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    stranger = RSAKey.generate_key(2048, parameters={"kid": "one"})
    forgers = [
        lambda claims: f"{part({'alg': 'none'})}.{part(claims)}.",
        lambda claims: f"{part({'alg': 'none', 'kid': 'one'})}.{part(claims)}.",
        provider.sign_by_public_key,
        lambda claims: provider.sign(claims, stranger),
        lambda claims: provider.sign(claims)[:-6] + "AAAAAA",
        lambda _: "x",
        lambda _: "a.b.c",
    ]
    for forger in forgers:
        provider.make = forger
        assert refusal(sign_in(service, provider)) == (401, "oidc_refused")
    assert people(shared_owner) == []


def test_an_id_token_with_an_odd_header_is_refused_and_no_fault(service, provider):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    odd = [None, 5, "x", "alg", [], ["alg"], {}, {"alg": 5}, {"alg": []}, {"alg": "RS256"}]
    odd += [{"alg": "RS256", "kid": "one", "crit": crit} for crit in (None, 5, "x", [5], ["exp"], {})]
    odd += [{"alg": "RS256", "kid": kid} for kid in (None, 5, [], {}, [[]], True)]
    odd += [{"alg": "Ed25519", "kid": "one"}, {"alg": "Ed25519", "kid": "one", "crit": 5}]
    read_so_far = len(service.log.read_text())
    for header in odd:
        provider.make = lambda claims, header=header: f"{part(header)}.{part(claims)}.AAAA"
        assert refusal(sign_in(service, provider)) == (401, "oidc_refused"), header
    assert "Traceback" not in service.log.read_text()[read_so_far:]


def test_keys_are_fetched_again_for_one_that_isnt_known_but_not_each_time(fresh, provider):
    stranger = RSAKey.generate_key(2048, parameters={"kid": "two"})
    provider.make = lambda claims: provider.sign(claims, stranger)
    assert [sign_in(fresh, provider).status_code for _ in range(3)] == [401] * 3
    assert provider.fetched == 1
    provider.listed.append(stranger)
    time.sleep(10.5)
    assert sign_in(fresh, provider).status_code == 200
    assert provider.fetched == 2


@pytest.mark.parametrize("status", [302, 307, 401, 500])
def test_a_provider_that_answers_strangely_counts_as_away_and_gets_the_secret_once(service, provider, status):
    provider.status = status
    answer = sign_in(service, provider)
    assert refusal(answer) == (503, "provider_away")
    assert answer.headers["Retry-After"]
    assert len(provider.redeemed) == 1


def test_one_that_describes_another_is_not_it(fresh, provider):
    provider.metadata = {"issuer": "https://another.example"}
    answer = requests.get(f"{fresh.url}/auth/oidc", timeout=30)
    assert refusal(answer) == (503, "provider_away")


@pytest.mark.parametrize("said", [b"[]", b"<html>", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_one_that_says_something_else_than_an_object_is_away(fresh, provider, said):
    provider.said = said
    answer = requests.get(f"{fresh.url}/auth/oidc", timeout=30)
    assert refusal(answer) == (503, "provider_away")


def test_one_that_is_silent_is_away_and_passwords_go_on(fresh, provider):
    provider.seconds = 60
    assert refusal(requests.get(f"{fresh.url}/auth/oidc", timeout=30)) == (503, "provider_away")
    body = {"name": "ann", "password": "wrong"}
    assert requests.post(f"{fresh.url}/auth/sign-in", json=body, timeout=30).status_code == 401


def test_one_that_isnt_there_keeps_no_service_from_starting(start_guarded):
    service = start_guarded(**settings("http://127.0.0.1:9"))
    assert refusal(requests.get(f"{service.url}/auth/oidc", timeout=30)) == (503, "provider_away")
    assert requests.get(f"{service.url}/auth/methods", timeout=30).json()["oidc"] is True


def test_without_the_setting_there_is_none(guarded):
    assert refusal(requests.get(f"{guarded.url}/auth/oidc", timeout=30)) == (404, "no_oidc")
    body = {"code": "x", "state": "x", "transaction": "x"}
    assert refusal(requests.post(f"{guarded.url}/auth/oidc", json=body, timeout=30)) == (404, "no_oidc")
    assert requests.get(f"{guarded.url}/auth/methods", timeout=30).json()["oidc"] is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_ISSUER", "http://provider.example"),
        ("OIDC_ISSUER", "https://provider.example?x"),
        ("OIDC_REDIRECT_URI", "http://dashboard.example/sign-in/oidc/callback"),
        ("OIDC_REDIRECT_URI", ""),
        ("OIDC_CLIENT_ID", ""),
        ("OIDC_CLIENT_SECRET", ""),
        ("OIDC_ROLES", ""),
        ("OIDC_ROLES", "staff=owner"),
        ("OIDC_ROLES", "viewer"),
        ("OIDC_SCOPES", "email"),
        ("CONTROL_DATABASE_URL", ""),
    ],
)
def test_settings_that_would_let_nobody_or_anybody_in_are_mistakes(monkeypatch, name, value):
    given = {
        "DATABASE_URL": "postgresql:///x",
        "CONTROL_DATABASE_URL": "postgresql:///x",
        "SIGNING_KEY": make_signing_key(),
        **settings("https://provider.example"),
    }
    for variable, text in given.items():
        monkeypatch.setenv(variable, text)
    assert QuerySettings.read().oidc_role_of == {"staff": "viewer", "platform": "admin"}
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingsError) as raised:
        QuerySettings.read()
    assert set(raised.value.mistakes) == {name}


def test_no_secret_stands_in_the_log(fresh, provider):
    started, sent = begin(fresh, provider)
    given = finish(fresh, started, sent["state"], code="a-code-of-one-use").json()
    provider.status = 500
    sign_in(fresh, provider, code="a-code-of-one-use")
    log = fresh.log.read_text()
    for secret in (
        "s: %cret",
        "a-code-of-one-use",
        started["transaction"],
        given["access_token"],
        given["refresh_token"],
    ):
        assert secret not in log
    assert "is unavailable: 500" in log
