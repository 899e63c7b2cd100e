"""Requests of real clients, as a recording server saw them: sent again to a collector."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import requests

FOLDER = Path(__file__).parents[1] / "fixtures" / "clients"
EXAMPLE_KEY = "wk_example"
ATTRIBUTES = "ce-"
"""How headers of CloudEvents begin."""

KEPT_HEADERS = {"content-type", "user-agent", "authorization", "origin", "content-encoding"}


class Sent(NamedTuple):
    """A request of a client: its path with the query, its headers in lower case, its body: a JSON value, or bytes."""

    path: str
    headers: dict[str, str]
    body: Any


def posts(name: str) -> list[Sent]:
    """The POST requests of a client's capture."""
    found = json.loads((FOLDER / f"{name}.json").read_text())["requests"]
    return [
        Sent(_path(one), {key.lower(): value for key, value in one["headers"].items()}, _body(one))
        for one in found
        if one["method"] == "POST"
    ]


def _path(request: dict[str, Any]) -> str:
    query = urlencode(request.get("query", {}))
    return f"{request['path']}?{query}" if query else str(request["path"])


def _body(request: dict[str, Any]) -> Any:
    if "json" in request:
        return request["json"]
    return base64.b64decode(request["base64"]) if "base64" in request else request["text"].encode()


def send(url: str, sent: Sent, key: str, authorization: str, *, always: bool = False) -> requests.Response:
    """Send it to a collector with another key, as the client did: with its headers, compressed if it was.

    Args:
        authorization: in place of the header that it has, or has not if `always`.
    """
    body = sent.body if isinstance(sent.body, bytes) else json.dumps(sent.body).encode()
    body = body.replace(EXAMPLE_KEY.encode(), key.encode())
    headers = {
        name: value for name, value in sent.headers.items() if name in KEPT_HEADERS or name.startswith(ATTRIBUTES)
    }
    if always or "authorization" in headers:
        headers["authorization"] = authorization
    if headers.get("content-encoding") == "gzip":
        body = gzip.compress(body)
    return requests.post(url + sent.path.replace(EXAMPLE_KEY, key), data=body, headers=headers, timeout=30)
