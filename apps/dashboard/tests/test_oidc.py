"""Signing in to the dashboard by a real OpenID Connect provider."""

import pytest
import requests
from ports import free_port
from providers import real_provider


@pytest.fixture(scope="module")
def by_provider(another, start_query):
    """A dashboard whose query service has a provider, and its port is known before it starts."""
    port = free_port()
    redirect = f"http://127.0.0.1:{port}/sign-in/oidc/callback"
    with real_provider(redirect) as issuer:
        query = start_query(
            OIDC_ISSUER=issuer,
            OIDC_CLIENT_ID="tracker",
            OIDC_CLIENT_SECRET="s: %cret",
            OIDC_REDIRECT_URI=redirect,
            OIDC_ROLES="staff=analyst",
        )
        with another(query.url, PORT=str(port)) as dashboard:
            yield dashboard
            dashboard.process.stop()
        query.stop()


def go_as(page, number):
    """Press the button, and say at the provider who sits in front of the browser."""
    page.get_by_role("link", name="Sign in with your organisation").click()
    page.get_by_role("link", name=f"I am {number}").click()


def test_a_person_signs_in_by_the_provider_and_goes_on_to_the_page_they_asked_for(by_provider, people, profile):
    visitor = profile().visit(by_provider.url)
    urls = []
    visitor.page.on("request", lambda request: urls.append(request.url))
    visitor.page.goto(f"{visitor.url}/sessions?tz=UTC&range=90+days")
    go_as(visitor.page, 1)
    visitor.page.wait_for_url("**/sessions?**range=90+days**")
    visitor.page.get_by_text("Signed in as zoe@example.com").wait_for()
    assert visitor.page.get_by_text("Change password").count() == 0  # they have none here
    kept = {one["name"]: one for one in visitor.page.context.cookies(by_provider.url)}
    assert kept["sign-in"]["sameSite"] == "Strict"
    assert "oidc" not in kept
    assert not any("eyJ" in url or kept["sign-in"]["value"] in url for url in urls)
    visitor.page.reload()
    visitor.page.get_by_text("Signed in as zoe@example.com").wait_for()


def test_who_has_no_role_is_told_so(by_provider, people, profile):
    page = profile().visit(by_provider.url).page
    page.goto(f"{by_provider.url}/sign-in")
    go_as(page, 2)
    page.get_by_text("The provider gives you no role here.").wait_for()
    assert {"sign-in", "oidc"}.isdisjoint(one["name"] for one in page.context.cookies(by_provider.url))


@pytest.mark.parametrize("query", ["?code=x&state=y", "?error=access_denied&state=y", ""])
def test_what_another_site_sends_to_the_way_back_signs_nobody_in(by_provider, query):
    answer = requests.get(f"{by_provider.url}/sign-in/oidc/callback{query}", allow_redirects=False, timeout=30)
    assert answer.status_code == 400
    assert "sign-in=" not in answer.headers.get("Set-Cookie", "").replace('sign-in=""', "")


def test_another_browsers_code_signs_nobody_in(by_provider):
    with requests.Session() as browser:
        gone = browser.get(f"{by_provider.url}/sign-in/oidc", allow_redirects=False, timeout=30)
        cookie = gone.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        answer = browser.get(f"{by_provider.url}/sign-in/oidc/callback?code=x&state=theirs", timeout=30)
        assert answer.status_code == 401
        assert "sign-in" not in browser.cookies


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_it_leads_nowhere_else(by_provider, next_):
    answer = requests.get(f"{by_provider.url}/sign-in/oidc", params={"next": next_}, allow_redirects=False, timeout=30)
    assert answer.headers["Set-Cookie"].partition(";")[0].strip('"').endswith("|/")


def test_without_a_provider_there_is_no_button(guarded, people):
    assert "organisation" not in requests.get(f"{guarded.url}/sign-in", timeout=30).text
