"""Fixtures: a collector shared by a test module; a site with the tracker script, and a browser page to visit it."""

import pytest
from sites import Shop, Site, make_source, start_guarded

from event_tracker.model.rejections import list_rejections


@pytest.fixture(scope="module")
def shared_collector(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("logs")) as start:
        yield start("collector", DATABASE_URL=postgres.url(shared_database, "collector"))


@pytest.fixture
def rejections(shared_owner):
    """rejections(): the refused events of this test, newest first. A collector keeps them up to a second after its answer, so some of
    the test before may come only now."""
    ((began,),) = shared_owner.execute("select clock_timestamp()").fetchall()
    return lambda: [one for one in list_rejections(shared_owner) if one.received_at >= began]


@pytest.fixture
def site():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def shop(site, start_service, postgres, database, owner):
    collector = start_guarded(start_service, postgres.url(database, "collector"))
    shop = Shop(site, collector, owner, make_source(owner, "shop", [site.origin]))
    shop.put()
    return shop


@pytest.fixture
def context(browser):
    """A fresh profile: storage of its own."""
    context = browser.new_context()
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture
def page(context):
    """A tab; the test fails if its page has an uncaught error."""
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    assert wrong == []
