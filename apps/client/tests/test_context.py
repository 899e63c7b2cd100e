"""User and request id of the context: by hand, and by the middleware of Flask, Django and FastAPI, as these really run."""

import asyncio
import logging
import threading

import django
import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from fastapi import FastAPI
from flask import Flask, request

from event_tracker.client import EventHandler, use_context
from event_tracker.client.asgi import AsgiContext
from event_tracker.client.django import EventContext
from event_tracker.client.wsgi import WsgiContext


@pytest.fixture
def tracked(simulate, make_client):
    """A client, and a function that returns what it has sent: (user, properties) of each event."""
    collector = simulate()
    client = make_client(collector)

    def read():
        client.flush(30)
        events = [event for sent in collector.requests for event in sent.events]
        return [(event["user_id"], event.get("properties")) for event in events]

    client.read = read
    return client


def test_a_block_gives_events_its_user_and_properties(tracked):
    with use_context("ann", request_id="r1", shop=1):
        tracked.track(None, "x", {"shop": 2})
        with use_context(page="/"):
            tracked.track("bob", "x")
        with use_context("eve"):
            tracked.track(None, "x")
    tracked.track("ann", "x")
    assert tracked.read() == [
        ("ann", {"request_id": "r1", "shop": 2}),
        ("bob", {"request_id": "r1", "shop": 1, "page": "/"}),
        ("eve", {"request_id": "r1", "shop": 1}),
        ("ann", None),
    ]


def test_the_user_may_become_known_within_the_block(tracked):
    users = []
    with use_context(lambda: users[-1] if users else None):
        with pytest.raises(ValueError, match="no user is set in this context"):
            tracked.track(None, "x")
        users.append("ann")
        tracked.track(None, "x")
    assert tracked.read() == [("ann", None)]


def test_each_thread_has_its_own(tracked):
    inside, done = threading.Event(), threading.Event()

    def hold():
        with use_context("ann"):
            inside.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    with pytest.raises(ValueError, match="no user"):
        tracked.track(None, "x")
    done.set()
    thread.join()


def test_flask(tracked):
    app = Flask("shop")
    app.wsgi_app = WsgiContext(app.wsgi_app, user=lambda environ: request.args.get("user"))

    @app.get("/")
    def view():
        tracked.track(None, "x")
        return "done"

    browser = app.test_client()
    assert browser.get("/?user=ann", headers={"X-Request-ID": "r1"}).text == "done"
    browser.get("/?user=bob")
    first, (user, properties) = tracked.read()
    assert first == ("ann", {"request_id": "r1"})
    assert (user, len(properties["request_id"])) == ("bob", 32)


class SignedIn:
    pk, is_authenticated = 7, True


class Anonymous:
    pk, is_authenticated = None, False


def test_django(tracked):
    if not settings.configured:
        settings.configure(DEFAULT_CHARSET="utf-8")
        django.setup()

    def view(request):
        request.user = SignedIn()
        tracked.track(None, "x")
        request.user = Anonymous()
        with pytest.raises(ValueError, match="no user"):
            tracked.track(None, "x")
        return HttpResponse("done")

    answer = EventContext(view)(RequestFactory().get("/", headers={"X-Request-ID": "r" * 500}))
    assert answer.content == b"done"
    assert tracked.read() == [("7", {"request_id": "r" * 200})]


def test_fastapi(tracked):
    app = FastAPI()
    app.add_middleware(AsgiContext, user=lambda scope: scope["path"].strip("/"))

    @app.get("/ann")
    def in_a_thread():
        tracked.track(None, "x", {"n": 1})

    @app.get("/bob")
    async def in_the_loop():
        tracked.track(None, "x", {"n": 2})

    async def ask():
        return [await get(app, path) for path in ("/ann", "/bob")]

    assert asyncio.run(ask()) == [200, 200]
    assert tracked.read() == [("ann", {"request_id": "r1", "n": 1}), ("bob", {"request_id": "r1", "n": 2})]


async def get(app, path):
    """The status that an ASGI application answers."""
    said = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        said.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "headers": [(b"x-request-id", b"r1")]}
    await app(scope, receive, send)
    return said[0]["status"]


def test_records_of_logging_become_events(tracked, capsys):
    logger = logging.getLogger("shop")
    handler = EventHandler(tracked)
    logger.addHandler(handler)
    try:
        with use_context("ann", request_id="r1"):
            logger.warning("bought", extra={"event": "purchase", "properties": {"amount": 20}})
        logger.warning("signed up", extra={"event": "sign_up", "user_id": "bob"})
        logger.warning("no event")
    finally:
        logger.removeHandler(handler)
    assert tracked.read() == [("ann", {"request_id": "r1", "amount": 20}), ("bob", None)]
    assert "Logging error" not in capsys.readouterr().err


def test_a_record_that_can_be_no_event_is_no_error_of_the_program(tracked, capsys):
    logger = logging.getLogger("shop")
    handler = EventHandler(tracked)
    logger.addHandler(handler)
    try:
        logger.warning("nobody", extra={"event": "purchase"})
    finally:
        logger.removeHandler(handler)
    assert "user_id: is None" in capsys.readouterr().err
    assert tracked.read() == []
