"""What /healthz and /metrics report about standbys."""

import requests
from replicas import ask_for, standby_of
from waiting import eventually, wait_until


def part(service):
    report = requests.get(f"{service.url}/healthz", timeout=30)
    return report.status_code, report.json()["parts"]["replication"]


def figures(wanted, connected):
    return (200, {"status": "ok", "in_recovery": False, "synchronous_standbys_wanted": wanted, "synchronous_standbys": connected})  # fmt: skip


def failing(code):
    return (503, {"status": "failing", "code": code})


def metric(service, name):
    lines = requests.get(f"{service.url}/metrics", timeout=30).text.splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name} "))


def test_a_collector_tells_of_its_synchronous_standbys(start_service, own_postgres):
    url = own_postgres.url("events", "collector")
    told = start_service("collector", DATABASE_URL=url)
    required = start_service("collector", DATABASE_URL=url, REQUIRE_SYNC="true")
    assert part(told) == figures(0, None)
    assert part(required) == failing("standbys_not_visible")
    own_postgres.execute("grant pg_read_all_stats to collector")
    assert part(told) == figures(0, 0)
    assert part(required) == failing("standby_missing")
    with standby_of(own_postgres) as standby:
        ask_for(own_postgres, "ANY 1 (a, b)")
        assert eventually(lambda: part(required) == figures(1, 1)), part(required)
        wait_until(lambda: metric(told, "db_synchronous_standbys") == "1.0", "the metric is set")
        standby.cut()
        assert eventually(lambda: part(required) == failing("standby_missing")), part(required)
        assert part(told) == figures(1, 0)
        wait_until(lambda: metric(told, "db_synchronous_standbys") == "0.0", "the metric is set")
        assert metric(told, "db_synchronous_standbys_wanted") == "1.0"
        query = start_service("query", DATABASE_URL=standby.url("events", "query"))
        status, behind = part(query)
        assert (status, behind["status"], behind["in_recovery"]) == (200, "ok", True)
        assert behind["replay_lag_seconds"] > 0
        assert metric(query, "db_in_recovery") == "1.0"
        assert float(metric(query, "db_replay_lag_seconds")) > 0
