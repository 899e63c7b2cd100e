"""The client for Node.js: the contract, its types, the end of a process, and the examples of docs/clients/node.md."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ports import free_port
from simulated_collector import WRITE_KEY, SimulatedCollector
from tools import ROOT, not_checked, run, tool

CLIENT = ROOT / "apps" / "client" / "node"
PAGE = (ROOT / "docs" / "clients" / "node.md").read_text()
EXAMPLES = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
PACKAGE = json.loads((CLIENT / "package.json").read_text())


@pytest.fixture(scope="module")
def node():
    """Node.js, if it is new enough."""
    node = tool("node")
    version = run(node, "--version").stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < 20:
        not_checked(f"Node.js here is {version}, and the client is for 20 and newer")
    return node


@pytest.fixture
def project(tmp_path):
    """A folder in which the client is installed."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "event-tracker-client").symlink_to(CLIENT)
    return tmp_path


@pytest.fixture
def collector():
    collector = SimulatedCollector({})
    yield collector
    collector.close()


def run_script(node, project, text, url, **options):
    (project / "script.mjs").write_text(text)
    environment = {**os.environ, "COLLECTOR_URL": url, "WRITE_KEY": WRITE_KEY}
    return run(node, "script.mjs", cwd=project, env=environment, timeout=120, **options)


def test_the_contract_is_kept(node):
    run(sys.executable, ROOT / "apps" / "client" / "contract", "--", node, ROOT / "apps/client/contract/drivers/node_client.mjs", timeout=250)  # fmt: skip


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_sends_its_event(node, project, collector, number):
    done = run_script(node, project, EXAMPLES[number], collector.url)
    (request,) = collector.requests
    assert [event["user_id"] for event in request.events] == ["ann"]
    assert done.stderr == ""
    if printed := re.findall(rf"{re.escape(EXAMPLES[number])}```\n\nprints `([^`]+)`", PAGE):
        assert done.stdout.strip() == printed[0]


def test_sources_and_examples_have_the_types_that_they_say(project, tmp_path):
    """TypeScript checks the JavaScript, and the examples as TypeScript."""
    tools = tmp_path / "tools"
    packages = [f"{name}@{version}" for name, version in PACKAGE["devDependencies"].items()]
    command = [tool("npm"), "install", "--prefix", tools, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
    if subprocess.run([*command, *packages], capture_output=True, check=False, timeout=200).returncode != 0:
        not_checked("npm can't install TypeScript here")
    sources = project / "sources"
    shutil.copytree(CLIENT, sources)
    (sources / "node_modules").symlink_to(tools / "node_modules")
    for number, example in enumerate(EXAMPLES):
        (sources / f"example{number}.ts").write_text(example)
    (sources / "wrong.ts").write_text(
        'import { Client } from "event-tracker-client";\nnew Client({ url: 7 }).track(7, "x");\n'
    )
    config = json.loads((sources / "tsconfig.json").read_text())
    (sources / "tsconfig.json").write_text(json.dumps({**config, "include": ["*.js", "*.ts"]}))
    done = run(tools / "node_modules" / ".bin" / "tsc", "--project", sources, ok=False)
    errors = [line for line in done.stdout.splitlines() if "error TS" in line]
    assert len(errors) == 2, done.stdout
    assert all("wrong.ts" in line for line in errors), done.stdout


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('client.track(7, "x")', "TypeError: userId: is of type number, not string"),
        ('client.track("", "x")', "RangeError: userId: has 0 characters; 1 to 200 are allowed"),
        ('client.track("ann", "\\ud83d")', "RangeError: eventType: has the character U+0000 or half a surrogate pair"),
        ('client.track("ann", "x", { a: { b: NaN } })', "RangeError: properties: b is NaN, which JSON doesn't have"),
        ('client.track("ann", "x", [1])', "TypeError: properties: isn't an object"),
        ('client.track("ann", "x", { a: "x".repeat(70_000) })', "RangeError: properties: the event has 70"),
        ('client.track("ann", "x", {}, { timestamp: new Date(NaN) })', "TypeError: timestamp: isn't a valid Date"),
        ('client.track("ann", "x", {}, { eventId: "7" })', "TypeError: eventId: isn't a UUID"),
        ('new Client({ url: "localhost" })', "TypeError: url: isn't the URL of a collector"),
        ('new Client({ url: "http://a", writeKey: "a b" })', "TypeError: writeKey: is empty"),
        ('new Client({ url: "http://a", maxQueuedEvents: 0 })', "RangeError: maxQueuedEvents: is 0"),
    ],
)  # fmt: skip
def test_what_can_be_no_event_is_the_callers_error(node, project, call, message):
    script = f'import {{ Client }} from "event-tracker-client";\nconst client = new Client({{ url: "http://127.0.0.1:9" }});\n{call};'
    done = run_script(node, project, script, "", ok=False)
    assert done.returncode == 1
    assert message in done.stderr


START = """
import { Client } from "event-tracker-client";
const codes = [];
const client = new Client({ url: process.env.COLLECTOR_URL, onError: ({ code }) => codes.push(code), maxQueuedEvents: 2, intervalSeconds: 300 });
for (let n = 0; n < 3; n += 1) client.track("ann", "x", { n });
"""


def test_what_the_queue_cannot_hold_is_dropped_and_what_closing_leaves_is_reported(node, project):
    script = (
        START
        + 'console.log(await client.close(0.1), codes.join(), JSON.stringify(client.stats)); client.track("ann", "x"); console.log(codes[3]);'
    )
    done = run_script(node, project, script, f"http://127.0.0.1:{free_port()}")
    stats = '{"queued":0,"delivered":0,"refused":0,"dropped":3,"retried":0}'
    assert done.stdout == f"false queue_full,closed,closed {stats}\nclosed\n"


def test_a_process_that_has_nothing_left_to_do_ends_while_there_is_no_collector(node, project):
    """The waits between tries don't keep it: `beforeExit` closes the client, which gives up after 5 s."""
    script = START + "void client.flush(0.1); process.on('exit', () => console.log(codes.join()));"
    done = run_script(node, project, script, f"http://127.0.0.1:{free_port()}")
    assert done.stdout == "queue_full,closed,closed\n"


def test_many_waits_and_requests_leave_no_listeners(node, project):
    collector = SimulatedCollector({"answers": [{"status": 503}] * 3})
    try:
        script = (
            START
            + "await client.flush(60); for (let n = 0; n < 40; n += 1) { client.track('ann', 'x', { n }); await client.flush(60); } await client.close();"
        )
        done = run_script(
            node,
            project,
            script.replace("process.env.COLLECTOR_URL", "process.env.COLLECTOR_URL, writeKey: process.env.WRITE_KEY"),
            collector.url,
        )
    finally:
        collector.close()
    assert done.stderr == ""
    assert len(collector.requests) == 44


def test_it_has_the_version_of_the_release():
    assert PACKAGE["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_all_its_files_are_published():
    assert {*PACKAGE["files"], "package.json", "tsconfig.json"} == {file.name for file in Path(CLIENT).iterdir()}
