"""The pages for admins, in a real browser: the query service has what an admin has changed there."""

import hashlib
import json
import re

import pytest
import requests
from known_password import PASSWORD
from visitors import serious_violations
from waiting import eventually

PAGES = ["sources", "schemas", "people", "audit"]


@pytest.fixture
def owner(people):
    """The database's owner; nothing is managed there yet."""
    people.execute("truncate audit, api_tokens, write_keys, event_schemas, schemas_set_aside, rejections, rate_limits")
    people.execute("delete from sources where name <> 'default'")
    return people


@pytest.fixture
def signed_in(profile, guarded, owner):
    """signed_in("ann"): a visitor who has signed in, and has no page open. The form, and the overview after it, would cost more than
    the page that a test is about; test_sign_in.py has them."""

    def signed_in(name):
        sent = {"name": name, "password": PASSWORD}
        answer = requests.post(
            f"{guarded.url}/sign-in", sent, headers={"Origin": guarded.url}, allow_redirects=False, timeout=30
        )
        ((cookie, token),) = answer.cookies.items()
        visitor = profile().visit(guarded.url)
        visitor.page.context.add_cookies(
            [{"name": cookie, "value": token, "url": guarded.url, "httpOnly": True, "sameSite": "Strict"}]
        )
        return visitor

    return signed_in


def press(visitor, name):
    visitor.page.get_by_role("button", name=name, exact=True).click()
    return visitor


def said(visitor, text):
    visitor.page.locator("[data-testid=stAlert]", has_text=text).first.wait_for()
    return visitor.wait()


def codes(visitor):
    return [text.strip() for text in visitor.page.locator("[data-testid=stCode]").all_inner_texts()]


def test_only_an_admin_has_the_pages(signed_in):
    for name in ("vic", "ben"):
        visitor = signed_in(name).open("sessions")
        assert visitor.page.get_by_role("link", name="Audit log").count() == 0
    visitor = signed_in("ann").open("sessions")
    assert visitor.page.get_by_role("link", name="Audit log").count() == 1


def test_choices_are_kept_while_an_admin_manages(signed_in):
    visitor = signed_in("ann").open("", range="7 days", filter="event_type:is:purchase")
    visitor.turn_to("Audit log")
    assert visitor.page.get_by_role("combobox", name="Range", exact=True).count() == 0
    visitor.turn_to("Sessions")
    assert "range=7+days" in visitor.page.url
    assert "filter=event_type%3Ais%3Apurchase" in visitor.page.url


def test_a_source_is_made_with_a_key_and_settings(signed_in, owner):
    visitor = signed_in("ann").open("sources")
    visitor.choose("Source", "New source …")
    visitor.page.get_by_role("textbox", name="Name").wait_for()
    visitor.wait().page.get_by_role("textbox", name="Name").fill("My Shop")
    press(visitor, "Make it")
    said(visitor, "There is nothing of this name here.")
    visitor.page.get_by_role("textbox", name="Name").fill("shop")
    press(visitor, "Make it")
    said(visitor, "shop was created")
    press(visitor, "Make a key")
    said(visitor, "It is shown only once")
    # The browser loads the component for code only when it is needed, so it is drawn later.
    assert eventually(lambda: len(codes(visitor)) == 3 and all(codes(visitor)))
    key, *rest = codes(visitor)
    assert re.fullmatch("wk_[0-9a-f]{10}_[0-9a-f]{40}", key)
    code = "\n".join(rest)
    assert f"X-Write-Key: {key}" in code
    assert f'data-write-key="{key}"' in code
    ((stored,),) = owner.execute("select hash from write_keys where source = 'shop'").fetchall()
    assert stored == hashlib.sha256(key.encode()).digest()
    visitor.page.get_by_role("textbox", name="Pages that may send events").fill("shop.example")
    press(visitor, "Save")
    said(visitor, "Must be an origin")
    assert visitor.page.get_by_text(key).count() == 0
    visitor.page.get_by_role("textbox", name="Pages that may send events").fill(
        "https://shop.example\nhttps://www.shop.example"
    )
    visitor.page.get_by_role("spinbutton", name="Rate limit (events a second for each key)").fill("50")
    press(visitor, "Save")
    said(visitor, "shop is saved")
    assert owner.execute("select allowed_origins, rate_limit from sources where name = 'shop'").fetchall() == [
        (["https://shop.example", "https://www.shop.example"], 50)
    ]
    press(visitor, "Revoke a key")
    press(visitor, "Revoke it")
    said(visitor, "is revoked")
    assert owner.execute("select revoked_at is not null from write_keys").fetchall() == [(True,)]


def test_a_person_gets_a_role_and_a_password(signed_in, owner, guarded):
    visitor = signed_in("ann").open("people")
    visitor.choose("Person", "New person …")
    visitor.page.get_by_role("textbox", name="Name").wait_for()
    visitor.wait().page.get_by_role("textbox", name="Name").fill("zoe")
    visitor.choose("Role", "analyst: sees events too, and exports")
    press(visitor, "Save")
    said(visitor, "zoe is saved")
    assert owner.execute("select role, sources from people where name = 'zoe'").fetchall() == [("analyst", None)]
    press(visitor, "Make a password for one sign-in")
    said(visitor, "It is shown only once")
    assert eventually(lambda: all(codes(visitor)) and codes(visitor))
    (password,) = codes(visitor)
    assert owner.execute("select one_time from people where name = 'zoe'").fetchall() == [(True,)]
    visitor.open("audit")
    assert [visitor.cells("Audit log")[0][2].split()[-1], visitor.cells("Audit log")[0][3]] == ["reset", "zoe"]
    assert password not in visitor.page.content()


def test_a_schema_is_proposed_mended_and_saved(signed_in, owner):
    visitor = signed_in("ann").open("schemas")
    visitor.choose("Event type", "Another event type …").wait()
    name = visitor.page.get_by_label("Name of the event type")
    name.fill("purchase")
    # Not by the keyboard alone: the list that closes takes the focus back, in its own time.
    name.press("Enter")
    press(visitor, "Propose one from what was received")
    said(visitor, "Made from")
    schema = visitor.page.get_by_label("JSON Schema 2020-12")
    assert eventually(lambda: "amount" in json.loads(schema.input_value())["properties"])
    proposed = schema.input_value()
    schema.fill('{"properties": {"amount": {"type": "nmber"}}}')
    press(visitor, "Save as the newest version")
    said(visitor, "/properties/amount/type")
    schema.fill(proposed)
    press(visitor, "Save as the newest version")
    said(visitor, "Version 1 of purchase is saved")
    assert owner.execute("select schema from event_schemas").fetchall() == [(json.loads(proposed),)]


def test_refused_events_are_shown_and_tried_again(signed_in, owner):
    owner.execute(
        """insert into rejections (id, source, received_at, reason, detail, event_type, user_id, payload, is_whole)
        values (gen_random_uuid(), 'default', now(), 'schema_violation', %s, '*buy* https://e.test', 'zoe', %s, true)""",
        [json.dumps([{"pointer": "/amount", "detail": "It is <i>not</i> a number."}]), b'{"user_id": "<script>"}'],
    )
    visitor = signed_in("ann").open("schemas")
    assert [row[0] for row in visitor.cells("Refused events by reason")] == ["schema_violation"]
    visitor.page.locator("summary", has_text="*buy* https://e.test").wait_for()
    assert visitor.page.locator("summary a").count() == 0
    press(visitor, "Try these again")
    said(visitor, "1 event will be tried again")
    assert owner.execute("select replay_requested_at is not null from rejections").fetchall() == [(True,)]
    assert visitor.complaints == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_in_both_themes(signed_in, owner, path):
    owner.execute("insert into sources (name) values ('shop')")
    visitor = signed_in("ann").open(path)
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=scheme)
        shown = "scheme => getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme === scheme"
        visitor.page.wait_for_function(shown, arg=scheme)
        assert serious_violations(visitor.wait().page) == [], scheme
