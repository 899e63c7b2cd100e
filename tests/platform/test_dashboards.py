"""Grafana's dashboards: generated, complete, and each of their queries run.

Grafana itself isn't started here. PromQL runs on a real Prometheus, with our rules, that scrapes our real services under
traffic; SQL runs on a real PostgreSQL as the role grafana, with Grafana's macros expanded as its source does it.
Only the metrics of Kafka's part have values that were made for it, on the programs' own definitions.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from dashboards import Watched, all_panels, expanded, metric_names, watching
from servers import Postgres, Service
from tools import ROOT, run, tool

GRAFANA = ROOT / "infra" / "grafana"
COMMITTED = sorted((GRAFANA / "dashboards").glob("*.json"))
BOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in COMMITTED}
PANELS = [(uid, panel) for uid, board in BOARDS.items() for panel in all_panels(board)]

each_board = pytest.mark.parametrize("uid", BOARDS)


def provisioning(path: str) -> dict[str, Any]:
    return yaml.safe_load((GRAFANA / "provisioning" / path).read_text())


def test_the_committed_dashboards_are_what_the_code_generates(tmp_path):
    """If it fails: make generate."""
    run(sys.executable, GRAFANA / "dashboards-src", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in COMMITTED]
    assert [path.stem for path in COMMITTED if (tmp_path / path.name).read_text() != path.read_text()] == []


def test_there_are_five_dashboards_each_in_the_file_of_its_uid():
    assert {uid: board["uid"] for uid, board in BOARDS.items()} == {
        uid: uid for uid in ("collector", "kafka", "overview", "product", "query")
    }


@each_board
def test_a_dashboard_cant_be_edited_has_a_range_a_refresh_links_and_marks_deployments(uid):
    board = BOARDS[uid]
    assert board["editable"] is False
    assert board["description"]
    assert board["time"]["from"].startswith("now-")
    assert board["refresh"]
    (link,) = board["links"]
    assert link["type"] == "dashboards"
    assert set(link["tags"]) == set(board["tags"])
    (marks,) = board["annotations"]["list"]
    assert marks["datasource"]["uid"] == "prometheus"


@each_board
def test_every_panel_has_a_title_a_description_and_a_unit(uid):
    panels = all_panels(BOARDS[uid])
    assert panels
    lacking = [
        (panel.get("title"), name)
        for panel in panels
        for name, value in {
            "title": panel.get("title"),
            "description": panel.get("description"),
            "unit": panel["fieldConfig"]["defaults"].get("unit"),
        }.items()
        if not value
    ]
    assert lacking == []
    titles = [panel["title"] for panel in panels]
    assert len(titles) == len(set(titles))


@each_board
def test_ids_are_unique_and_panels_lie_side_by_side_in_24_columns(uid):
    everything = BOARDS[uid]["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken: dict[tuple[int, int], str] = {}
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_every_number_with_an_objective_and_every_gauge_of_trouble_has_thresholds():
    without = [
        panel["title"]
        for uid, panel in PANELS
        if re.search("Failed|left|Burn|Waiting|availability|latency$|CPU|errors$", panel["title"])
        and panel["type"] != "table"
        and len(panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])) < 2
    ]
    assert without == []


def test_the_data_sources_are_those_the_dashboards_name():
    provided = {
        (source["type"], source["uid"]) for source in provisioning("datasources/event-tracker.yaml")["datasources"]
    }
    named = {
        (source["type"], source["uid"])
        for _, panel in PANELS
        for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    }
    assert named == provided


def test_the_password_is_read_from_a_file():
    """A value of its own would be a password in git."""
    sources = provisioning("datasources/event-tracker.yaml")["datasources"]
    secrets = [value for source in sources for value in source.get("secureJsonData", {}).values()]
    assert len(secrets) == 1
    given = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())["services"]["grafana"]["secrets"]
    assert secrets[0] in [f"$__file{{/run/secrets/{secret}}}" for secret in given]
    assert not any("password" in source or "://" in source["url"].removeprefix("http://") for source in sources)


def test_the_dashboards_come_from_a_folder_and_cant_be_changed_in_the_browser():
    (provider,) = provisioning("dashboards/event-tracker.yaml")["providers"]
    mounts = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert (provider["folder"], provider["allowUiUpdates"], provider["disableDeletion"]) == (
        "Event Tracker",
        False,
        True,
    )


# What follows runs the queries.


@pytest.fixture(scope="module")
def watching_services(
    postgres: Postgres,
    shared_database: str,
    launcher: Callable[[Path], AbstractContextManager[Callable[..., Service]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    """Both services, and a Prometheus that scrapes them."""
    folder = tmp_path_factory.mktemp("watched")
    prometheus = tool("prometheus")
    with launcher(folder) as start:
        collector = start("collector", DATABASE_URL=postgres.url(shared_database, "collector"))
        query = start("query", DATABASE_URL=postgres.url(shared_database, "query"), STATEMENT_SECONDS=1)
        with watching(prometheus, folder, collector, query) as seen:
            yield seen


@pytest.fixture(scope="module")
def watched(watching_services: Watched, postgres: Postgres, shared_database: str) -> Watched:
    """The same after traffic of every kind."""
    watching_services.make_traffic(postgres.url(shared_database))
    return watching_services


def metric_targets(uid: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(panel, target) for panel in all_panels(BOARDS[uid]) for target in panel["targets"] if "expr" in target]


@each_board
def test_every_metric_query_returns_data(watched, uid):
    """All of them: what may never have happened (a database error) is written so that it shows 0."""
    answers = [(panel["title"], target["expr"], watched.ask(target)) for panel, target in metric_targets(uid)]
    empty = [
        f"{title}: {expr}"
        for title, expr, series in answers
        if not any(math.isfinite(value) for one in series for value in one.values)
    ]
    assert empty == []


@each_board
def test_legends_and_columns_name_labels_that_the_answers_have(watched, uid):
    missing = []
    for panel, target in metric_targets(uid):
        wanted = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
        missing += [(panel["title"], one.labels) for one in watched.ask(target) if not wanted <= one.labels.keys()]
    for panel in all_panels(BOARDS[uid]):
        for change in panel.get("transformations", []):
            there = {f"Value #{target['refId']}" for target in panel["targets"]} | {"Value"}
            for target in panel["targets"]:
                there |= {label for one in watched.ask(target) for label in one.labels}
            missing += [
                (panel["title"], name) for name in change["options"].get("renameByName", {}) if name not in there
            ]
    assert missing == []


@each_board
def test_overrides_are_of_columns_that_the_table_has(watched, uid):
    missing = []
    for panel in all_panels(BOARDS[uid]):
        names = {
            name
            for change in panel.get("transformations", [])
            for name in change["options"].get("renameByName", {}).values()
        }
        names |= {name for target in panel["targets"] for name in re.findall(r'as "(\w+)"', target.get("rawSql", ""))}
        missing += [
            (panel["title"], override["matcher"]["options"])
            for override in panel["fieldConfig"]["overrides"]
            if override["matcher"]["id"] == "byName" and override["matcher"]["options"] not in names
        ]
    assert missing == []


def test_the_marks_of_deployments_return_data(watched):
    for board in BOARDS.values():
        (marks,) = board["annotations"]["list"]
        series = watched.ask({**marks["target"], "range": True})
        assert {one.labels["service"] for one in series} == {"collector", "query", "storer"}
        assert all({"version", "revision"} <= one.labels.keys() for one in series)


def test_every_metric_is_documented_or_recorded_by_a_rule(watched):
    known = metric_names(ROOT / "docs" / "metrics.md", ROOT / "infra" / "prometheus" / "rules")
    used = {name for uid in BOARDS for _, target in metric_targets(uid) for name in watched.names_in(target["expr"])}
    assert {name for name in used - known if not name.startswith("process_")} == set()


def test_the_objectives_shown_are_those_of_the_rules(watched):
    objectives = {one.labels["slo"]: one.values[-1] for one in watched.ask({"expr": "slo:objective:ratio"})}
    shown = {
        slo: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]
        for uid, panel in PANELS
        for slo in objectives
        if uid == "overview" and panel["title"] == slo.replace("-", " ").capitalize()
    }
    assert shown == objectives


def test_a_failure_is_seen_in_what_is_left_of_the_budget(watched):
    """The question that timed out and nothing else: query availability suffers, the collector's doesn't."""
    left = {
        panel["title"]: watched.ask(panel["targets"][0])[0].values[-1]
        for uid, panel in PANELS
        if uid == "overview" and panel["title"].endswith("availability: budget left")
    }
    assert left["Collector availability: budget left"] == 1
    assert left["Query availability: budget left"] < 0


# SQL


@pytest.fixture
def grafana(postgres: Postgres, shared_owner: psycopg.Connection, shared_database: str) -> Iterator[psycopg.Connection]:
    """A session of the role grafana on a database with 300 events of the last day."""
    shared_owner.execute("""
        with stored as (
          insert into events (user_id, "timestamp", event_id, event_type)
          select 'user-' || number % 20, now() - interval '30 minutes' - number * interval '4 minutes', gen_random_uuid(),
            case when number % 10 = 0 then 'it''s rare' else 'type-' || number % 13 end
          from generate_series(1, 300) as number
          returning "timestamp", event_type
        )
        insert into event_counts (hour, event_type, source, slot, count)
        select date_trunc('hour', "timestamp"), event_type, 'default', 0, count(*) from stored group by 1, 2
    """)
    url = postgres.url(shared_database).replace("//postgres@", "//grafana@")
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


SQL = [(panel["title"], target) for _, panel in PANELS for target in panel["targets"] if "rawSql" in target]


def answers(grafana: psycopg.Connection, sql: str, chosen: list[str] | None = None) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    cursor = grafana.cursor(row_factory=psycopg.rows.dict_row)
    return cursor.execute(expanded(sql, now - timedelta(hours=24), now, "1h", chosen).encode()).fetchall()


@pytest.mark.parametrize("chosen", [None, ["type-1"], ["it's rare", "type-2"]], ids=["all", "one", "several"])
def test_every_sql_query_returns_rows_whatever_types_are_chosen(grafana, chosen):
    assert len(SQL) == 8
    assert [title for title, target in SQL if not answers(grafana, target["rawSql"], chosen)] == []


def test_sql_for_a_graph_has_a_time_that_rises_a_name_and_a_number(grafana):
    graphs = [target["rawSql"] for _, target in SQL if target["format"] == "time_series"]
    assert graphs
    for sql in graphs:
        rows = answers(grafana, sql)
        assert "time" in rows[0]
        assert rows == sorted(rows, key=lambda row: row["time"])
        assert len(rows[0].keys() - {"time", "metric"}) == 1


def test_the_numbers_of_the_product_dashboard_are_those_of_the_rows(grafana, shared_owner):
    by_title = {title: target["rawSql"] for title, target in SQL}
    rows = shared_owner.execute("""
        select event_type, user_id, "timestamp" from events
        where date_trunc('hour', "timestamp") >= now() - interval '24 hours'
    """).fetchall()
    assert answers(grafana, by_title["Events"]) == [{"events": len(rows)}]
    assert answers(grafana, by_title["Event types"]) == [{"types": len({kind for kind, _, _ in rows})}]
    assert answers(grafana, by_title["Active users"]) == [{"users": 20}]
    rare = sum(kind == "it's rare" for kind, _, _ in rows)
    assert answers(grafana, by_title["Events"], ["it's rare"]) == [{"events": rare}]
    assert [row["Events"] for row in answers(grafana, by_title["Top types"]) if row["Type"] == "it's rare"] == [rare]
    assert sum(row["events"] for row in answers(grafana, by_title["Events by type"])) == len(rows)
    assert {row["metric"] for row in answers(grafana, by_title["Events by type"])} >= {"it's rare", "(other types)"}
    newest = sorted((stamp for _, _, stamp in rows), reverse=True)[:50]
    assert [row["Time"] for row in answers(grafana, by_title["Newest events"])] == newest


def test_users_are_counted_by_the_days_and_hours_of_the_dashboards_zone(grafana, shared_owner):
    """One late on 10 November in Berlin and another early on the 11th; clocks of Kolkata are half an hour apart from UTC's."""
    shared_owner.execute("""
        insert into events (user_id, "timestamp", event_id, event_type) values
        ('late', '2025-11-10 23:30+01', gen_random_uuid(), 'seen-in-zones'),
        ('early', '2025-11-11 00:30+01', gen_random_uuid(), 'seen-in-zones')
    """)
    start, end = datetime(2025, 11, 10, 12, tzinfo=UTC), datetime(2025, 11, 11, 12, tzinfo=UTC)
    by_title = {title: target["rawSql"] for title, target in SQL}

    def counted(period: str, zone: str) -> list[tuple[str, int]]:
        sql = expanded(by_title[f"Active users per {period}"], start, end, "1h", ["seen-in-zones"], zone)
        return [(f"{time:%d %H:%M}", users) for time, users in grafana.execute(sql.encode())]

    assert counted("day", "Europe/Berlin") == [("09 23:00", 1), ("10 23:00", 1)]
    assert counted("day", "utc") == [("10 00:00", 2)]
    assert counted("hour", "Asia/Kolkata") == [("10 22:30", 1), ("10 23:30", 1)]
    assert counted("hour", "utc") == [("10 22:00", 1), ("10 23:00", 1)]


def test_bars_of_events_begin_with_the_days_of_the_dashboards_zone(grafana, shared_owner):
    """An event late on 10 November in Berlin and another early on the 11th; clocks went from +02 to +01 on 26 October at 03:00."""
    shared_owner.execute("""
        insert into event_counts (hour, event_type, source, slot, count) values
        ('2025-11-10 23:00+01', 'seen-in-zones', 'default', 0, 1), ('2025-11-11 00:00+01', 'seen-in-zones', 'default', 0, 1),
        ('2025-10-26 02:00+02', 'seen-in-zones', 'default', 0, 1), ('2025-10-26 02:00+01', 'seen-in-zones', 'default', 0, 1)
    """)
    (sql,) = [target["rawSql"] for title, target in SQL if title == "Events by type"]

    def counted(interval: str, zone: str, start: str, end: str) -> list[tuple[str, int]]:
        bounds = (datetime.fromisoformat(f"2025-{moment}:00Z") for moment in (start, end))
        rows = grafana.execute(expanded(sql, *bounds, interval, ["seen-in-zones"], zone).encode()).fetchall()
        return [(f"{time.astimezone(UTC):%m-%d %H:%M}", int(events)) for time, _, events in rows]

    november, october = ("11-10T00:00", "11-12T00:00"), ("10-25T00:00", "10-27T00:00")
    assert counted("1d", "Europe/Berlin", *november) == [("11-09 23:00", 1), ("11-10 23:00", 1)]
    assert counted("1d", "utc", *november) == [("11-10 00:00", 2)]
    assert counted("6h", "Europe/Berlin", *november) == [("11-10 17:00", 1), ("11-10 23:00", 1)]
    assert counted("7d", "Europe/Berlin", *november) == [("11-09 23:00", 2)]  # of Monday 10 November
    assert counted("1h", "Europe/Berlin", *october) == [("10-26 00:00", 1), ("10-26 01:00", 1)]
    assert counted("1d", "Europe/Berlin", *october) == [("10-25 22:00", 2)]


def test_the_list_of_types_has_the_frequent_first_and_all_chooses_every_row(grafana):
    (variable,) = BOARDS["product"]["templating"]["list"]
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, "event_type")
    types = [row["event_type"] for row in answers(grafana, variable["query"])]
    assert types[0] == "it's rare"
    assert len(types) == 14


def test_every_sql_query_is_bounded_by_time():
    assert [title for title, target in SQL if "$__time" not in target["rawSql"]] == []
