"""Signing in to the dashboard, with a real query service that requires authentication."""

import time
from urllib.parse import urlsplit

import pytest
import requests
from known_password import PASSWORD
from sign_in_forms import COOKIE, cookie_of, sign_in
from signing_key import make_signing_key
from visitors import serious_violations
from waiting import eventually

STATS_PAGES = ["", "funnels", "retention", "journeys", "sessions"]


EVENT_PAGES = ["users", "explore"]


def alert(visitor):
    return visitor.page.locator("[data-testid=stAlert]").all_inner_texts()


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
