"""The dashboard Overview: whether the objectives are met, how fast their error budgets burn, which alerts fire, in which service."""

from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard, table, timeseries
from parts import Panel, board, column, columns, lines, number, rows_of, sorted_by
from service_rows import WORK, failed_share, percentile
from sources import now, now_as_table, over_time

BOTH = f'job=~"collector|query",{WORK}'
SUCCEEDED = f'{BOTH},status=~"2.."'
DURATION = "http_request_duration_seconds"

OURS = 'service=~"collector|query|database|kafka|platform",alertname!="Watchdog"'


class Slo(NamedTuple):
    """A service level objective: its label `slo` in the recording rules, and its target there."""

    name: str
    title: str
    objective: float
    promise: str

    @property
    def bad(self) -> str:
        """The share of bad requests over 30 days. Each request has the same weight, however busy its hour was."""
        labels = f'{{slo="{self.name}"}}'
        return f"sum_over_time(slo:errors:rate5m{labels}[30d]) / sum_over_time(slo:requests:rate5m{labels}[30d])"


SLOS = (
    Slo("collector-availability", "Collector availability", 0.999, "99.9 % of POST /events aren't answered 5xx"),
    Slo("collector-latency", "Collector latency", 0.99, "99 % of POST /events that succeed take less than 250 ms"),
    Slo("query-availability", "Query availability", 0.995, "99.5 % of questions aren't answered 5xx"),
    Slo("query-latency", "Query latency", 0.95, "95 % of questions that succeed take less than 1 s"),
)


def overview() -> dashboard.Dashboard:
    return board(
        "overview",
        "Overview",
        "Service level objectives, their error budgets, alerts, and both services at a glance.",
        {
            "Objectives over 30 days": [*map(compliance, SLOS), *map(budget, SLOS)],
            "Now": [burn_rate(), alerts()],
            "Services": [services(), *traffic()],
        },
    )


def compliance(slo: Slo) -> Panel:
    return number(
        slo.title,
        f"Objective: {slo.promise}, over 30 days (or since there are metrics).",
        "percentunit",
        now(f"1 - {slo.bad}"),
        decimals=3,
        below="red",
        steps=[(slo.objective, "green")],
    )


def budget(slo: Slo) -> Panel:
    return number(
        f"{slo.title}: budget left",
        "Of the failures that the objective allows in 30 days, the share not used up. Below 0 it is missed: put "
        "reliability before features.",
        "percentunit",
        now(f'1 - {slo.bad} / (1 - scalar(slo:objective:ratio{{slo="{slo.name}"}}))'),
        decimals=1,
        below="red",
        steps=[(0, "orange"), (0.25, "green")],
    )


def burn_rate() -> timeseries.Panel:
    return lines(
        "Burn rate",
        "How fast the last hour uses up each budget: at 1 it is gone after exactly 30 days, at 14.4 after two. The dashed "
        "lines are where alerts begin: 14.4 and 6 page, 3 and 1 can wait for the morning.",
        "suffix:x",
        over_time("slo:error_ratio:rate1h / on (slo) group_left () (1 - slo:objective:ratio)", "{{slo}}"),
        width=14,
        steps=[(1, "yellow"), (3, "orange"), (6, "red"), (14.4, "dark-red")],
    )


def alerts() -> table.Panel:
    panel = rows_of(
        "Alerts",
        "Alerts that fire, or will if their cause lasts (pending). Their runbooks are in docs/runbooks.",
        "short",
        now_as_table(f"sum by (alertname, alertstate, severity, service, slo) (ALERTS{{{OURS}}})"),
        width=10,
    )
    columns(
        panel,
        {"alertstate": "State", "alertname": "Alert", "severity": "Severity", "service": "Service", "slo": "Objective"},
        hidden=["Value"],
    )
    colors = {"firing": {"color": "red", "index": 0}, "pending": {"color": "orange", "index": 1}}
    column(panel, "State", mappings=[{"type": "value", "options": colors}], cell={"type": "color-text"}, width=90)
    return sorted_by(panel, "State", descending=False).no_value("no alerts")


def services() -> table.Panel:
    panel = rows_of(
        "Services",
        "The last five minutes, without probes; latency is that of requests that succeeded. A service's name leads to its dashboard.",
        "short",
        now_as_table('sum by (job) (up{job=~"collector|query"})'),
        now_as_table(f"sum by (job) (rate(http_requests_total{{{BOTH}}}[5m]))"),
        now_as_table(failed_share(BOTH, "5m", by="job")),
        *(now_as_table(percentile(share, DURATION, SUCCEEDED, by="job, ", window="5m")) for share in (0.5, 0.95, 0.99)),
        height=5,
    )
    columns(
        panel,
        {
            "job": "Service",
            "Value #A": "Instances up",
            "Value #B": "Requests",
            "Value #C": "Failed",
            "Value #D": "p50",
            "Value #E": "p95",
            "Value #F": "p99",
        },
    )
    column(panel, "Service", links=[{"title": "Dashboard of ${__value.text}", "url": "/d/${__value.text}"}])
    column(panel, "Requests", unit="reqps")
    failed = {"mode": "absolute", "steps": [{"value": None, "color": "text"}, {"value": 0.001, "color": "red"}]}
    column(panel, "Failed", unit="percentunit", thresholds=failed, cell={"type": "color-text"})
    for name in ("p50", "p95", "p99"):
        column(panel, name, unit="s")
    return panel


def traffic() -> list[Panel]:
    return [
        lines(
            "Requests",
            "Requests answered per second, without probes.",
            "reqps",
            over_time(f"sum by (job) (rate(http_requests_total{{{BOTH}}}[$__rate_interval]))", "{{job}}"),
        ),
        lines(
            "Failed requests",
            "Share of requests answered 5xx.",
            "percentunit",
            over_time(failed_share(BOTH, by="job"), "{{job}}"),
            steps=[(0.001, "red")],
        ),
        lines(
            "Events stored",
            "Events committed per second.",
            "suffix: events/s",
            over_time('sum(rate(collector_events_total{outcome="stored"}[$__rate_interval]))', "stored"),
        ),
    ]
