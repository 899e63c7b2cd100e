"""The numbers of invented web sites are the ones that they were made with."""

from collections import defaultdict
from datetime import timedelta

import pytest

from . import web_site
from .product import unlike
from .web_site import DAYS, START, between, make_events, make_visits, rows, totals

BYS = ("page", "entry", "exit", "source", "channel", "campaign", "referrer", "country", "browser", "edge_result")


@pytest.fixture(scope="module", params=[(1, 0), (7, 1), (7, 0.5)], ids=["rows", "blocks", "rows and blocks"])
def site(request, make_product):
    """A product with a site's events, and the site's visits."""
    seed, part = request.param
    product, visits = make_product(), make_visits(seed)
    product.fill(make_events(visits, seed), part_in_blocks=part)
    return product, visits


def ask(product, path, **parameters):
    half = START + timedelta(days=DAYS // 2)
    bounds = {"from": half.isoformat(), "to": (START + timedelta(days=DAYS)).isoformat()}
    answer = product.session.get(f"{product.query.url}/stats/{path}", params={**bounds, **parameters}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("source", [None, "shop"])
def test_the_site_s_totals_are_known(site, source):
    product, visits = site
    visits = [visit for visit in visits if source in (None, visit.source)]
    body = ask(product, "web", **({"source": source} if source else {}))
    assert list(unlike(totals(between(visits, DAYS // 2, DAYS)), body["totals"], "")) == []
    assert list(unlike(totals(between(visits, 0, DAYS // 2)), body["before"]["totals"], "")) == []


def test_the_site_s_days_are_known(site):
    product, visits = site
    series = ask(product, "web")["series"]
    assert len(series) == DAYS // 2
    for day, point in enumerate(series, DAYS // 2):
        known = totals(between(visits, day, day + 1))
        expected = {name: known[name] for name in ("page_views", "visitors", "sessions", "bounce_rate")}
        expected["duration_mean"] = known["duration"]["mean"]
        assert list(unlike(expected, {name: point[name] for name in expected}, "")) == []


@pytest.mark.parametrize("by", BYS)
def test_the_site_s_rows_are_known(site, by):
    product, visits = site
    body = ask(product, "web/top", by=by, limit=1000)
    expected = rows(between(visits, DAYS // 2, DAYS), by)
    found = {
        row["key"]: (row["visitors"], row["page_views"], row["sessions"], round(row["bounce_rate"] * row["sessions"]))
        for row in body["rows"]
    }
    assert found == expected
    assert body["total"] == len(expected) > 1


def test_the_site_s_bytes_and_times_are_known(site):
    product, visits = site
    sizes, times = defaultdict(int), defaultdict(int)
    for visit in between(visits, DAYS // 2, DAYS):
        for _, page, measured in visit.views:
            sizes[measured["edge_result"]] += measured["bytes"]
            times[page] += 1
    edges = ask(product, "web/top", by="edge_result")["rows"]
    assert {row["key"]: row["bytes"] for row in edges} == sizes
    slowest = ask(product, "web/top", by="slowest")["rows"]
    assert {row["key"]: row["seconds"]["count"] for row in slowest} == times
    assert [row["seconds"]["p95"] for row in slowest] == sorted(
        (row["seconds"]["p95"] for row in slowest), reverse=True
    )


def test_two_sites_differ():
    assert totals(make_visits(1)) != totals(make_visits(7))
    assert web_site.make_visits(1) == make_visits(1)
