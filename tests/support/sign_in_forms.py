"""The dashboard's forms of signing in, sent without a browser."""

import requests
from known_password import PASSWORD

COOKIE = "sign-in"


def cookie_of(visitor):
    return next((one for one in visitor.page.context.cookies() if one["name"] == COOKIE), None)


def form(url, path="/sign-in", origin=None, cookies=None, headers=None, **fields):
    """What a browser's form at `origin` sends, and the answer."""
    sent = {"Origin": origin or url, **(headers or {})}
    return requests.post(url + path, data=fields, headers=sent, cookies=cookies, allow_redirects=False, timeout=30)


def sign_in(url, name="ben", password=PASSWORD, **more):
    return form(url, name=name, password=password, **more)
