"""Requests to `/auth`, and the audit log's entries about them."""

import requests


def post(service, path, token=None, **body):
    """POST /auth/{path}, with an access token or without."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(f"{service.url}/auth/{path}", json=body, headers=headers, timeout=30)


def me(service, token):
    """GET /auth/me with an access token."""
    return requests.get(f"{service.url}/auth/me", headers={"Authorization": f"Bearer {token}"}, timeout=30)


def refusal(answer):
    """The status and code of a problem."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def actions(owner):
    """The actions in the audit log, the oldest first."""
    return [action for (action,) in owner.execute("select action from audit order by id")]
