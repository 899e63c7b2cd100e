"""Signing in to the dashboard, with a real query service that requires authentication."""

import time
from urllib.parse import urlsplit

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from known_password import PASSWORD, PASSWORD_HASH
from signing_key import make_signing_key
from visitors import Visitor
from waiting import eventually, wait_until

STATS_PAGES = ["", "funnels", "retention", "journeys", "sessions"]
EVENT_PAGES = ["users", "explore"]
COOKIE = "sign-in"


@pytest.fixture
def come(profile, guarded, people):
    """come(): a visitor with a profile of their own; come(visitor): the same browser, another tab."""

    def come(to=guarded, like=None):
        return Visitor((like.page.context if like else profile()).new_page(), to.url)

    return come


@pytest.fixture
def signed_in(come):
    """signed_in("ann"): a visitor who has signed in and sees the overview."""

    def signed_in(name, to=None, **state):
        visitor = come(to) if to else come()
        visitor.page.goto(f"{visitor.url}/sign-in")
        visitor.sign_in(name)
        visitor.page.get_by_text(f"Signed in as {name}").wait_for()
        return visitor.wait()

    return signed_in


def cookie_of(visitor):
    return next((one for one in visitor.page.context.cookies() if one["name"] == COOKIE), None)


def form(url, path="/sign-in", origin=None, cookies=None, headers=None, **fields):
    """What a browser's form at `origin` sends, and the answer."""
    sent = {"Origin": origin or url, **(headers or {})}
    return requests.post(url + path, data=fields, headers=sent, cookies=cookies, allow_redirects=False, timeout=30)


def sign_in(url, name="ben", password=PASSWORD, **more):
    return form(url, name=name, password=password, **more)


def alert(visitor):
    return visitor.page.locator("[data-testid=stAlert]").all_inner_texts()


def serious_violations(page):
    found = Axe().run(page).response["violations"]
    return [one["id"] for one in found if one["impact"] in ("serious", "critical")]


def test_who_hasnt_signed_in_gets_the_form_and_then_the_page_they_asked_for(come):
    visitor = come()
    visitor.page.goto(f"{visitor.url}/sessions?tz=UTC&range=90+days")
    visitor.sign_in("ben")
    visitor.page.wait_for_url("**/sessions?**range=90+days**")
    visitor.wait()
    assert visitor.tile("Sessions") == "40"


def test_a_wrong_password_is_said_to_be_wrong_and_the_name_stays(come):
    visitor = come()
    visitor.page.goto(f"{visitor.url}/sign-in")
    visitor.sign_in("Ben ", "not this one")
    visitor.page.get_by_role("alert").wait_for()
    assert visitor.page.get_by_label("Name").input_value() == "ben"
    assert cookie_of(visitor) is None
    visitor.sign_in("ben")
    visitor.page.get_by_text("Signed in as ben").wait_for()


def test_guessing_locks_the_name_here_too(guarded, people):
    answers = [sign_in(guarded.url, "ben", f"guess {number}").status_code for number in range(6)]
    assert answers == [401] * 5 + [429]


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


@pytest.mark.parametrize(
    ("to", "goes"),
    [
        ("/users?user=a%2Fb&tz=UTC", "/users?user=a%2Fb&tz=UTC"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("users", "/"),
    ],
)
def test_after_the_sign_in_one_stays_here(guarded, people, to, goes):
    answer = sign_in(guarded.url, next=to)
    assert answer.status_code == 303
    assert answer.headers["Location"] == goes
    cookies = {COOKIE: answer.cookies[COOKIE]}
    again = requests.get(
        f"{guarded.url}/sign-in", params={"next": to}, cookies=cookies, allow_redirects=False, timeout=30
    )
    assert (again.status_code, again.headers["Location"]) == (303, goes)


def test_what_is_no_form_is_refused(guarded):
    for data in (b"x" * 10_000, b"\xff", b"a=1&" * 20):
        answer = requests.post(f"{guarded.url}/sign-in", data=data, headers={"Origin": guarded.url}, timeout=30)
        assert answer.status_code in (401, 403)


def test_what_is_typed_is_shown_as_text(guarded, people):
    answer = sign_in(guarded.url, '"><script>alert(1)</script>', next='/"><script>')
    assert answer.status_code == 401
    assert "<script>" not in answer.text
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_signing_out_ends_the_sign_in_in_all_tabs(come, signed_in, people):
    visitor = signed_in("ben")
    other = come(like=visitor).open("sessions")
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.get_by_role("heading", name="Sign in").wait_for()
    assert cookie_of(visitor) is None
    assert people.execute("select count(*) from sign_ins").fetchone() == (0,)
    other.page.get_by_role("link", name="Funnels").click()
    other.page.get_by_role("heading", name="Sign in").wait_for()


def test_a_password_for_one_sign_in_is_replaced_at_once(come, people):
    people.execute("insert into people values ('root', %s, true, 'admin')", [PASSWORD_HASH])
    visitor = come()
    visitor.page.goto(f"{visitor.url}/sign-in?next=/sessions")
    visitor.sign_in("root")
    page = visitor.page
    page.get_by_role("heading", name="Set your password").wait_for()
    assert serious_violations(page) == []

    def choose(password, again):
        page.get_by_label("New password", exact=True).fill(password)
        page.get_by_label("Repeat the new password").fill(again)
        page.get_by_role("button", name="Set password").click()

    choose("a password of my own", "something else there")
    page.get_by_role("alert").wait_for()
    choose("a password of my own", "a password of my own")
    page.get_by_text("Signed in as root").wait_for()
    assert urlsplit(page.url).path == "/sessions"
    assert sign_in(visitor.url, "root").status_code == 401
    assert sign_in(visitor.url, "root", "a password of my own").status_code == 303


def test_before_a_password_is_set_every_page_leads_to_that(come, people):
    people.execute("insert into people values ('root', %s, true, 'admin')", [PASSWORD_HASH])
    visitor = come()
    visitor.page.goto(f"{visitor.url}/sign-in")
    visitor.sign_in("root")
    heading = visitor.page.get_by_role("heading", name="Set your password")
    heading.wait_for()
    visitor.page.goto(f"{visitor.url}/sessions?tz=UTC")
    visitor.page.wait_for_url("**/password?next=%2Fsessions**")
    heading.wait_for()
    assert visitor.page.get_by_label("Current password").count() == 0
    cookies = {COOKIE: cookie_of(visitor)["value"]}
    assert requests.get(f"{visitor.url}/download/events", cookies=cookies, timeout=30).status_code == 403


def test_changing_a_password_takes_the_current_one_and_ends_the_other_sign_ins(signed_in, people):
    visitor, other = signed_in("ben"), signed_in("ben")
    page = visitor.page
    page.get_by_role("link", name="Change password").click()
    page.get_by_role("heading", name="Set your password").wait_for()
    assert serious_violations(page) == []

    def change(current):
        page.get_by_label("Current password").fill(current)
        page.get_by_label("New password", exact=True).fill("a password of my own")
        page.get_by_label("Repeat the new password").fill("a password of my own")
        page.get_by_role("button", name="Set password").click()

    change("not this one")
    page.get_by_role("alert").get_by_text("The current password is wrong.").wait_for()
    change(PASSWORD)
    page.get_by_text("Signed in as ben").wait_for()
    # The other's overview asks again every few seconds.
    other.page.get_by_role("heading", name="Sign in").wait_for()
    assert sign_in(visitor.url, "ben").status_code == 401
    assert sign_in(visitor.url, "ben", "a password of my own").status_code == 303


def test_guessing_the_current_password_ends_the_sign_in(guarded, people):
    cookies = {COOKIE: sign_in(guarded.url).cookies[COOKIE]}
    new = {"password": "a password of my own", "again": "a password of my own"}

    def change(current):
        return form(guarded.url, "/password", cookies=cookies, current=current, **new)

    assert change("").status_code == 422
    answers = [change(f"guess {number}") for number in range(5)]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert ["this sign-in has ended" in answer.text for answer in answers] == [False] * 4 + [True]
    wait_until(lambda: change(PASSWORD).headers.get("Location", "").startswith("/sign-in"))
    assert sign_in(guarded.url).status_code == 303


def test_a_short_password_is_refused(guarded, people):
    cookies = {COOKIE: sign_in(guarded.url).cookies[COOKIE]}
    answer = form(guarded.url, "/password", cookies=cookies, password="short", again="short")
    assert answer.status_code == 422
    assert "12 to 200" in answer.text


def test_who_is_disabled_is_out(signed_in, people):
    visitor = signed_in("ben")
    people.execute("update people set enabled = false where name = 'ben'")
    # The overview asks again every few seconds.
    visitor.page.get_by_role("heading", name="Sign in").wait_for()
    assert cookie_of(visitor) is None


def test_a_viewer_sees_numbers_and_is_told_why_there_are_no_events(signed_in):
    visitor = signed_in("vic")
    for path in STATS_PAGES:
        notices = alert(visitor.open(path, range="90 days"))
        assert [text for text in notices if "Choose at least two steps" not in text] == [], path
    for path in EVENT_PAGES:
        (notice,) = alert(visitor.open(path, range="90 days"))
        assert "your role includes statistics only" in notice


def test_an_analyst_sees_events_and_a_viewer_who_asks_just_after_doesnt(signed_in):
    viewer, analyst = signed_in("vic"), signed_in("ben")
    for path in EVENT_PAGES:
        assert alert(analyst.open(path, range="90 days", user="user-36")) == []
        assert len(alert(viewer.open(path, range="90 days", user="user-36"))) == 1


def test_downloads_need_the_same_rights(guarded, people):
    def download(name):
        cookies = {COOKIE: sign_in(guarded.url, name).cookies[COOKIE]} if name else {}
        return requests.get(f"{guarded.url}/download/events", cookies=cookies, timeout=30).status_code

    assert [download(name) for name in ("ann", "ben", "vic", None)] == [200, 200, 403, 401]


def test_a_page_goes_on_when_its_access_token_isnt_taken_any_more(
    another, start_query, come, signed_in, people, guarded_database
):
    query = start_query()
    with another(query.url) as dashboard:
        visitor = signed_in("ben", dashboard)
        first = cookie_of(visitor)["value"]
        query.stop()
        query = start_query(PORT=urlsplit(query.url).port, SIGNING_KEY=make_signing_key())
        time.sleep(5)  # answers are kept for some seconds
        visitor.page.get_by_role("link", name="Sessions").click()
        visitor.page.get_by_role("heading", name="Sessions").wait_for()
        assert visitor.wait().tile("Sessions")
        # The refresh token has changed, and the browser was given the new one: it is good at another dashboard, the first isn't.
        assert eventually(lambda: cookie_of(visitor)["value"] != first)
        second = cookie_of(visitor)["value"]
        dashboard.process.stop()
    people.execute("update sign_ins set renewed_at = now() - interval '1 minute'")
    with another(query.url) as dashboard:
        again = requests.get(f"{dashboard.url}/sign-in", cookies={COOKIE: second}, allow_redirects=False, timeout=30)
        assert again.status_code == 303
        dashboard.process.stop()
    query.stop()


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


def test_where_all_is_open_one_may_sign_in(another, start_query, come, people):
    query = start_query(AUTH="open")
    with another(query.url) as dashboard:
        visitor = come(dashboard).open("sessions", range="90 days")
        assert visitor.tile("Sessions") == "40"
        visitor.page.get_by_role("link", name="Sign in").evaluate("link => link.removeAttribute('target')")
        visitor.page.get_by_role("link", name="Sign in").click()
        visitor.sign_in("ann")
        visitor.page.get_by_text("Signed in as ann").wait_for()
        visitor.page.close()
        dashboard.process.stop()
    query.stop()


def test_without_a_query_service_the_form_says_so(lonely_dashboard):
    answer = sign_in(lonely_dashboard.url)
    assert answer.status_code == 502
    assert "doesn&#39;t answer" in answer.text


def test_the_form_is_accessible_and_fits_a_phone(come):
    visitor = come()
    page = visitor.page
    page.goto(f"{visitor.url}/sign-in")
    visitor.sign_in("ben", "wrong one")
    page.get_by_role("alert").wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_violations(page) == [], scheme
    page.set_viewport_size({"width": 320, "height": 568})
    content, width = page.locator("html").evaluate("element => [element.scrollWidth, element.clientWidth]")
    assert content <= width


def test_no_secret_stands_in_the_log(guarded, people):
    token = sign_in(guarded.url).cookies[COOKIE]
    sign_in(guarded.url, password="a wrong secret")
    log = guarded.process.log.read_text()
    for secret in (token, PASSWORD, "a wrong secret", "eyJ"):
        assert secret not in log
