"""Rules of routes match and build URLs as werkzeug's do, and don't compile what nobody asks for."""

import pytest
from flask import Flask
from werkzeug.routing import Rule

from event_tracker.core.http.service import LazyRule


@pytest.fixture
def compiled(monkeypatch):
    """The rules of which werkzeug has compiled how URLs are built."""
    rules = []
    compile_builder = Rule._compile_builder
    monkeypatch.setattr(
        Rule, "_compile_builder", lambda rule, unknown=True: rules.append(rule.rule) or compile_builder(rule, unknown)
    )
    return rules


@pytest.fixture
def urls():
    """The URLs of an application with one route."""
    app = Flask("test", static_folder=None)
    app.url_rule_class = LazyRule
    app.add_url_rule("/users/<path:user_id>/events", endpoint="events", view_func=lambda user_id: user_id)
    return app.url_map.bind("localhost")


def test_a_rule_matches_and_compiles_nothing_for_building(compiled, urls):
    assert urls.match("/users/a/b/events") == ("events", {"user_id": "a/b"})
    assert compiled == []


def test_a_rule_builds_urls_as_others_do(compiled, urls):
    for _ in range(2):
        assert urls.build("events", {"user_id": "a b/c"}) == "/users/a%20b/c/events"
        assert urls.build("events", {"user_id": "ann", "limit": 3}) == "/users/ann/events?limit=3"
    assert len(compiled) <= 2
