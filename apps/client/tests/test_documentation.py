"""The Python examples of docs/clients/python.md are run as they are printed, against a real collector."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from event_tracker.core.secrets.keys import make_key

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "clients" / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

ASK = {
    "Flask": """
    assert app.test_client().post("/cart", headers={"X-User": "ann"}).text == "added"
    """,
    "FastAPI": """
    import asyncio

    async def nothing():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ignore(message):
        assert message.get("status", 200) == 200

    scope = {"type": "http", "method": "POST", "path": "/cart", "query_string": b"", "headers": [(b"x-user", b"ann")]}
    asyncio.run(app(scope, nothing, ignore))
    """,
}
"""A request to the application of an example."""


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_stores_its_event(number, collector, owner, tmp_path):
    example = EXAMPLES[number]
    ask = next((textwrap.dedent(text) for name, text in ASK.items() if f"import {name}" in example), "")
    done = subprocess.run(
        [sys.executable, "-c", example + ask],
        env={**os.environ, "COLLECTOR_URL": collector.url, "WRITE_KEY": key(owner)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if printed := re.findall(rf"{re.escape(example)}```\n\nprints `([^`]+)`", PAGE):
        assert done.stdout.strip() == printed[0]
    ((user, source),) = owner.execute("select user_id, source from events").fetchall()
    assert (user, source) == ("ann", "default")


def key(owner):
    new = make_key("wk")
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, 'default', %s)", [new.prefix, new.hash])
    return new.key


def test_there_are_examples():
    assert len(EXAMPLES) >= 7
