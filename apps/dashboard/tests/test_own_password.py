"""Changing one's own password in the dashboard."""

from urllib.parse import urlsplit

import requests
from known_password import PASSWORD, PASSWORD_HASH
from sign_in_forms import COOKIE, cookie_of, form, sign_in
from visitors import serious_violations
from waiting import wait_until


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
