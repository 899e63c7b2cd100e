"""Write keys: which requests are accepted, for which source, from which page, and how soon a change is used."""

import pytest
import requests
from waiting import eventually

from event_tracker.core.secrets.keys import make_key

EVENT = {"user_id": "ann", "event_type": "view"}
SHOP = "https://shop.example"
SOON = 20
"""Seconds: a collector reads changes each second, but a busy machine may delay that."""


def make_source(owner, name, origins=(), enabled=True):
    """A source with one key; the key."""
    owner.execute(
        "insert into sources (name, allowed_origins, enabled) values (%s, %s, %s)", [name, list(origins), enabled]
    )
    return add_key(owner, name)


def add_key(owner, name):
    new = make_key("wk")
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, %s, %s)", [new.prefix, name, new.hash])
    return new.key


def post(collector, key=None, parameters="", **headers):
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return requests.post(f"{collector.url}/events{parameters}", json=EVENT, headers=headers, timeout=30)


def refusal(answer):
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def guarded(start_service, postgres, database):
    """A collector that requires keys."""
    return start_service("collector", DATABASE_URL=postgres.url(database, "collector"), AUTH="required")


def stored(owner):
    return owner.execute("select source, count(*) from events group by 1 order by 1").fetchall()


def test_without_a_key_nothing_is_stored(guarded, owner):
    answer = post(guarded)
    assert refusal(answer) == (401, "key_required")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert stored(owner) == []


def test_a_key_opens_at_once_by_each_way_and_names_the_source(guarded, owner):
    key = make_source(owner, "shop")
    assert post(guarded, key).status_code == 201
    assert post(guarded, **{"X-Write-Key": key}).status_code == 201
    assert post(guarded, parameters=f"?write_key={key}").status_code == 201
    assert stored(owner) == [("shop", 3)]
    assert owner.execute("select source, sum(count) from event_counts group by 1").fetchall() == [("shop", 3)]


@pytest.mark.parametrize("key", ["x", "wk_0123456789_" + "0" * 40, "wk_0123456789", "é", "x" * 5000])
def test_what_is_no_key_is_refused_alike(guarded, key):
    answer = requests.post(f"{guarded.url}/events", json=EVENT, headers={"X-Write-Key": key.encode()}, timeout=30)
    assert refusal(answer) == (401, "invalid_key")


def test_another_secret_behind_a_known_prefix_is_refused(guarded, owner):
    key = make_source(owner, "shop")
    assert refusal(post(guarded, key[:-1] + ("0" if key[-1] != "0" else "1"))) == (401, "invalid_key")


def test_groups_of_several_sources_keep_them_apart(guarded, owner):
    keys = [make_source(owner, name) for name in ("app", "shop")]
    batch = [{**EVENT, "user_id": f"user {number}"} for number in range(50)]
    for key in keys * 3:
        assert (
            requests.post(f"{guarded.url}/events", json=batch, headers={"X-Write-Key": key}, timeout=30).status_code
            == 200
        )
    assert stored(owner) == [("app", 150), ("shop", 150)]


def test_a_revoked_key_closes_on_every_instance_within_seconds_and_its_sister_stays(
    guarded, start_service, postgres, database, owner
):
    other = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), AUTH="required")
    key = make_source(owner, "shop")
    sister = add_key(owner, "shop")
    for instance in (guarded, other):
        assert post(instance, key).status_code == 201
    owner.execute("update write_keys set revoked_at = now() where prefix = %s", [key[:13]])
    for instance in (guarded, other):
        assert eventually(lambda instance=instance: post(instance, key).status_code == 401, SOON)
        assert post(instance, sister).status_code == 201


def test_a_disabled_source_takes_nothing(guarded, owner):
    key = make_source(owner, "shop")
    assert post(guarded, key).status_code == 201
    owner.execute("update sources set enabled = false where name = 'shop'")
    assert eventually(lambda: post(guarded, key).status_code == 403, SOON)
    assert refusal(post(guarded, key)) == (403, "source_disabled")


def test_a_page_sends_only_where_its_origin_is_allowed(guarded, owner):
    key = make_source(owner, "shop", [SHOP])
    foreign = make_source(owner, "app", ["https://app.example"])
    answer = post(guarded, key, Origin=SHOP)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (201, SHOP)
    assert post(guarded, foreign).status_code == 201  # a server has no origin
    assert refusal(post(guarded, foreign, Origin=SHOP)) == (403, "origin_not_allowed")
    assert stored(owner) == [("app", 1), ("shop", 1)]


def test_subdomains_and_pages_of_apps_are_allowed_by_name(guarded, owner):
    names = [
        "https://*.shop.example",
        "http://*.shop.example:8080",
        "capacitor://localhost",
        "null",
        "http://dev.example:*",
    ]
    key = make_source(owner, "shop", names)
    for origin in (
        "https://a.shop.example",
        "https://a.b.shop.example",
        "http://a.shop.example:8080",
        "capacitor://localhost",
        "null",
        "http://dev.example:9000",
    ):
        answer = post(guarded, key, Origin=origin)
        assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (201, origin)
    for origin in (
        "https://shop.example",
        "https://evilshop.example",
        "https://.shop.example",
        "https://a.shop.example:8443",
        "https://a.shop.example.evil.example",
        "https://evil.example/a.shop.example",
        "https://" + "a." * 3000 + "shop.example",
        "http://a.shop.example",
        "capacitor://a.shop.example",
        "shop.example",
        "https://dev.example:9000",
        "http://dev.example.evil.example:9000",
    ):
        answer = post(guarded, key, Origin=origin)
        assert refusal(answer) == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_preflight_is_told_what_some_source_allows(guarded, owner):
    make_source(owner, "shop", [SHOP])

    def allowed(origin):
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-write-key",
        }
        return requests.options(f"{guarded.url}/events", headers=asked, timeout=30).headers

    assert eventually(lambda: allowed(SHOP).get("Access-Control-Allow-Origin") == SHOP, SOON)
    assert "X-Write-Key" in allowed(SHOP)["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in allowed("https://elsewhere.example")


def test_origins_of_sources_open_what_pages_send_to_and_nothing_else(guarded, owner):
    """Metrics are for the operator; a source's origins are only for those who manage the source."""
    make_source(owner, "shop", [SHOP])

    def allowed(method, path, **headers):
        answer = requests.request(method, f"{guarded.url}{path}", headers={"Origin": SHOP, **headers}, timeout=30)
        return answer.headers.get("Access-Control-Allow-Origin")

    assert eventually(lambda: allowed("OPTIONS", "/events", **{"Access-Control-Request-Method": "POST"}) == SHOP, SOON)
    asked = {"Access-Control-Request-Method": "GET"}
    paths = ("/metrics", "/healthz", "/livez", "/readyz", "/version", "/openapi.json", "/docs/", "/nowhere")
    assert [path for path in paths if allowed("GET", path) or allowed("OPTIONS", path, **asked)] == []
    assert {allowed("POST", path) for path in ("/events", "/events/", "//events", "//events/")} == {SHOP}
    # A page with a wrong address is told so.
    assert {allowed("POST", path) for path in ("/nowhere", "/livez", "/metrics")} == {SHOP}
    assert allowed("GET", "/tracker.js") == "*"


def test_a_key_that_cannot_be_looked_up_is_not_called_wrong(start_service, own_postgres):
    service = start_service("collector", DATABASE_URL=own_postgres.url("events", "collector"), AUTH="required")
    own_postgres.stop("immediate")
    answer = post(service, make_key("wk").key)
    assert refusal(answer) == (503, "database_unavailable")
    assert "Retry-After" in answer.headers


def test_where_none_is_required_a_wrong_key_is_refused_all_the_same(collector, owner):
    assert refusal(post(collector, make_key("wk").key)) == (401, "invalid_key")
    assert post(collector).status_code == 201
    assert stored(owner) == [("default", 1)]


def test_the_last_use_is_written_at_the_latest_when_the_collector_stops(guarded, owner):
    key = make_source(owner, "shop")
    assert post(guarded, key).status_code == 201
    guarded.stop()
    ((used,),) = owner.execute("select last_used > now() - interval '1 minute' from write_keys").fetchall()
    assert used


def test_keys_never_stand_in_the_log(start_service, postgres, database, owner):
    service = start_service(
        "collector", DATABASE_URL=postgres.url(database, "collector"), AUTH="required", LOG_LEVEL="debug"
    )
    key = make_source(owner, "shop")
    post(service, key)
    post(service, parameters=f"?write_key={key}")
    post(service, parameters=f"?write_key={key}x")
    service.stop()
    assert key not in service.log.read_text()
