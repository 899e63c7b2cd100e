"""The client when its process ends, forks, or is served by gunicorn."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter

import pytest
import requests
from ports import free_port
from programs import HEAD, run_program
from simulated_collector import WRITE_KEY, read_number
from waiting import wait_until

GEVENT = "from gevent import monkey; monkey.patch_all()\n"


def numbers_sent(collector):
    return Counter(read_number(event) for request in collector.requests for event in request.events)


@pytest.mark.parametrize("first", ["", GEVENT], ids=["threads", "gevent"])
def test_what_waits_at_the_end_of_the_program_is_sent(simulate, first):
    program = """
    client = Client(URL, "wk_contract", interval_seconds=300)
    atexit.register(client.track, "ann", "x", {"n": 1})
    client.track("ann", "x", {"n": 0})
    """
    collector = simulate(answers=[{"status": 503}])
    run_program(program, collector.url, head=first + HEAD)
    assert set(collector.stored) == {0, 1}


def test_a_program_ends_though_there_is_no_collector(simulate):
    program = """
    client = Client(URL, "wk_contract", on_error=lambda undelivered: print(undelivered.code, flush=True))
    client.track("ann", "x")
    client.close(timeout_seconds=0.1)
    """
    assert run_program(program, f"http://127.0.0.1:{free_port()}") == "closed\n"


@pytest.mark.parametrize("folder", [False, True], ids=["memory", "folder"])
@pytest.mark.parametrize("first", ["", GEVENT], ids=["threads", "gevent"])
def test_a_forked_process_has_a_queue_of_its_own(simulate, tmp_path, first, folder):
    """Parent and children track while others fork, with a thread under way and without."""
    program = f"""
    client = Client(URL, "wk_contract", interval_seconds=300, folder={f"{tmp_path}" if folder else None!r})
    children = []
    for number in range(4):
        client.track("ann", "parent", {{"n": number}})
        child = os.fork()
        if not child:
            client.track("ann", "child", {{"n": 10 + number}})
            ok = client.close(60) and client.stats.delivered == 1
            os._exit(0 if ok else 1)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert client.close(60)
    assert client.stats.delivered == 4
    """
    collector = simulate()
    run_program(program, collector.url, head=first + HEAD)
    assert numbers_sent(collector) == dict.fromkeys([0, 1, 2, 3, 10, 11, 12, 13], 1)
    assert list(tmp_path.iterdir()) == []


def test_a_child_does_not_hold_the_files_of_its_parent(simulate, tmp_path):
    """A lock is freed only when all copies of its descriptor are closed."""
    program = """
    client = Client("http://127.0.0.1:9", "wk_contract", interval_seconds=300, folder=ARGUMENTS[0])
    client.track("ann", "x", {"n": 0})
    if os.fork():
        os.kill(os.getpid(), signal.SIGKILL)
    print("forked", flush=True)
    time.sleep(300)
    """
    command = [sys.executable, "-c", HEAD + textwrap.dedent(program), "-", tmp_path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout.readline() == "forked\n"
        assert process.wait(60) == -signal.SIGKILL
        collector = simulate()
        take_over = 'client = Client(URL, "wk_contract", folder=ARGUMENTS[0])\nwhile client.stats.delivered < 1: time.sleep(0.02)'
        run_program(take_over, collector.url, tmp_path)
        assert set(collector.stored) == {0}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()


APP = """
import os
from flask import Flask
from event_tracker.client import Client

client = Client(os.environ["COLLECTOR_URL"], os.environ["WRITE_KEY"], interval_seconds=0.05, folder=os.environ.get("FOLDER"))
client.track("master", "loaded", {"n": 0})
app = Flask(__name__)

@app.get("/<int:number>")
def tracked(number):
    client.track("ann", "request", {"n": number})
    return str(os.getpid())
"""


@pytest.mark.parametrize(
    ("worker", "folder"), [("sync", False), ("gthread", True), ("gevent", False), ("gevent", True)]
)
def test_workers_of_gunicorn_deliver_each_event_once(simulate, tmp_path, worker, folder):
    collector = simulate(answers=[{"status": 503}, {"fault": "closed"}])
    (tmp_path / "shop.py").write_text(APP)
    port = free_port()
    environment = {**os.environ, "COLLECTOR_URL": collector.url, "WRITE_KEY": WRITE_KEY}
    if folder:
        environment["FOLDER"] = str(tmp_path / "events")
    command = [sys.executable, "-m", "gunicorn", "shop:app", "--preload", "--workers", "2", "--threads", "4"]
    server = subprocess.Popen(
        [*command, "--worker-class", worker, "--bind", f"127.0.0.1:{port}", "--chdir", tmp_path, "--no-control-socket"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: answers(port), "gunicorn answers")
        asking = [threading.Thread(target=ask, args=[port, range(first, 201, 8)]) for first in range(1, 9)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    finally:
        server.terminate()
        _, errors = server.communicate(timeout=60)
    assert set(collector.stored) == {*range(201), 999}, errors
    assert "Traceback" not in errors, errors
    failed = {number for request in collector.requests[:2] for number in map(read_number, request.events)}
    assert {number for number, times in numbers_sent(collector).items() if times > 1} - {999} <= failed


def answers(port):
    try:
        return requests.get(f"http://127.0.0.1:{port}/999", timeout=30).ok
    except requests.RequestException:
        return False


def ask(port, numbers):
    with requests.Session() as session:
        for number in numbers:
            session.get(f"http://127.0.0.1:{port}/{number}", timeout=60)
