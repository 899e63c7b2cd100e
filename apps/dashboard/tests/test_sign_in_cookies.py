"""What the dashboard's cookie of a sign-in is, and which forms are taken."""

import pytest
import requests
from known_password import PASSWORD
from sign_in_forms import COOKIE, cookie_of, form, sign_in


def test_the_browser_keeps_the_refresh_token_where_no_script_and_no_url_has_it(come, signed_in):
    urls = []
    visitor = come()
    visitor.page.on("request", lambda request: urls.append(request.url))
    visitor.page.goto(f"{visitor.url}/sign-in")
    visitor.sign_in("ben")
    visitor.page.get_by_text("Signed in as ben").wait_for()
    cookie = cookie_of(visitor)
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"], cookie["path"]) == (True, "Strict", False, "/")
    seen = visitor.page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    html = visitor.page.content()
    for place in (seen, html, *urls):
        assert cookie["value"] not in place
        assert "eyJ" not in place


@pytest.fixture(scope="module")
def over_https(guarded, another):
    """A dashboard with the settings for a proxy with HTTPS. There is no proxy."""
    with another(guarded.query_url, HTTPS="true") as dashboard:
        yield dashboard
        dashboard.process.stop()


SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


HTTPS_ORIGIN = "https://dashboard.example.com"


def test_a_cookie_of_another_name_is_no_sign_in(guarded, over_https, people):
    """A page of a neighbouring host can set one with the plain name, and so sign somebody in as somebody else."""
    for dashboard, name, other in ((over_https, "__Host-sign-in", "sign-in"), (guarded, "sign-in", "__Host-sign-in")):
        origin = HTTPS_ORIGIN if dashboard is over_https else None
        token = sign_in(dashboard.url, headers=SAME_ORIGIN, origin=origin).cookies[name]
        for path, status in (("/sign-in", 303), ("/download/events", 200)):
            for cookies, answers in (({name: token}, True), ({other: token}, False)):
                answer = requests.get(dashboard.url + path, cookies=cookies, allow_redirects=False, timeout=30)
                assert (answer.status_code == status) == answers, (name, path, cookies)
        kept = requests.get(f"{dashboard.url}/sign-in/keep", cookies={other: token}, timeout=30)
        assert "Set-Cookie" not in kept.headers


def test_where_the_setting_and_the_browser_disagree_about_https_nobody_signs_in(guarded, over_https, people):
    for dashboard, origin, says in ((over_https, None, "https://"), (guarded, HTTPS_ORIGIN, "HTTPS=true")):
        answer = sign_in(dashboard.url, headers=SAME_ORIGIN, origin=origin)
        assert answer.status_code == 403
        assert says in answer.text
        assert "Set-Cookie" not in answer.headers
    assert people.execute("select from sign_ins").fetchall() == []


def test_with_https_the_cookie_is_of_this_host_alone(over_https, people):
    answer = sign_in(over_https.url, headers=SAME_ORIGIN, origin=HTTPS_ORIGIN)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-sign-in=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        ("https://evil.example", {}),
        ("null", {}),
        ("http://127.0.0.1.evil.example", {}),
        ("https://evil.example", {"Sec-Fetch-Site": "cross-site"}),
        ("http://other.dashboard.example", {"Sec-Fetch-Site": "same-site"}),
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/password"])
def test_no_other_site_signs_anybody_in_or_out(guarded, people, path, origin, headers):
    token = sign_in(guarded.url).cookies[COOKIE]
    answer = form(guarded.url, path, origin, {COOKIE: token}, headers, name="ben", password=PASSWORD, again=PASSWORD)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert people.execute("select count(*) from sign_ins").fetchone() == (1,)


def test_a_form_that_doesnt_say_where_it_comes_from_is_refused(guarded, people):
    answer = requests.post(f"{guarded.url}/sign-in", data={"name": "ben", "password": PASSWORD}, timeout=30)
    assert answer.status_code == 403


def test_a_cookie_that_was_replaced_long_ago_ends_the_sign_in(another, start_query, people):
    query = start_query()
    with another(query.url) as dashboard:
        token = sign_in(dashboard.url).cookies[COOKIE]
        requests.post(f"{query.url}/auth/refresh", json={"refresh_token": token}, timeout=30)
        people.execute("update sign_ins set renewed_at = now() - interval '1 minute'")
        dashboard.process.stop()
    with another(query.url) as dashboard:
        answer = requests.get(f"{dashboard.url}/sign-in", cookies={COOKIE: token}, allow_redirects=False, timeout=30)
        assert answer.status_code == 200
        assert 'sign-in=""' in answer.headers["Set-Cookie"]
        dashboard.process.stop()
    assert people.execute("select count(*) from sign_ins").fetchone() == (0,)
    query.stop()
