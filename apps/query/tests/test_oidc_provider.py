"""Signing in by a real OpenID Connect provider: npm's oidc-provider, run by node."""

from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from providers import real_provider

REDIRECT = "http://127.0.0.1:8501/sign-in/oidc/callback"


@pytest.fixture(scope="module")
def service(start_guarded):
    with real_provider(REDIRECT) as issuer:
        yield start_guarded(
            OIDC_ISSUER=issuer,
            OIDC_CLIENT_ID="tracker",
            OIDC_CLIENT_SECRET="s: %cret",
            OIDC_REDIRECT_URI=REDIRECT,
            OIDC_ROLES="staff=analyst",
        )


@pytest.fixture(autouse=True)
def nobody_yet(shared_owner):
    shared_owner.execute("truncate people, sign_ins, failed_sign_ins, api_tokens, audit")


def come_back(service, who):
    """Go to the provider as this person, as a browser does; the transaction, and what it is sent back with."""
    started = requests.get(f"{service.url}/auth/oidc", timeout=30).json()
    url = f"{started['authorization_url']}&login_hint={who}"
    with requests.Session() as browser:
        while not url.startswith(REDIRECT):
            answer = browser.get(url, allow_redirects=False, timeout=30)
            assert answer.is_redirect, answer.text
            url = urljoin(url, answer.headers["Location"])
    return started["transaction"], {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def finish(service, transaction, sent):
    body = {"transaction": transaction, **sent}
    return requests.post(f"{service.url}/auth/oidc", json=body, timeout=30)


def test_a_person_signs_in(service, shared_owner):
    transaction, sent = come_back(service, "1")
    assert sent["iss"]
    answer = finish(service, transaction, sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["person"] == {"name": "zoe@example.com", "role": "analyst", "sources": None}
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert requests.get(f"{service.url}/events", headers=headers, timeout=30).status_code == 200


def test_a_code_is_for_one_use(service):
    transaction, sent = come_back(service, "1")
    assert finish(service, transaction, sent).status_code == 200
    again = finish(service, transaction, sent)
    assert (again.status_code, again.json()["code"]) == (401, "oidc_refused")


def test_a_code_is_of_no_use_with_the_transaction_of_another(service):
    """The provider holds to the challenge, too: the state is the other's own."""
    _, stolen = come_back(service, "1")
    transaction, own = come_back(service, "2")
    answer = finish(service, transaction, {**own, "code": stolen["code"]})
    assert (answer.status_code, answer.json()["code"]) == (401, "oidc_refused")


def test_who_has_no_role_here_is_refused(service):
    answer = finish(service, *come_back(service, "2"))
    assert (answer.status_code, answer.json()["code"]) == (403, "no_role")


def test_who_is_refused_there_comes_back_without_a_code(service):
    _, sent = come_back(service, "nobody")
    assert sent["error"] == "access_denied"
    assert "code" not in sent
