"""The dashboard Query: whether it answers, which queries are slow, and what makes it slow."""

from columns_row import columns_engine
from grafana_foundation_sdk.builders import dashboard, table, timeseries
from parts import board, column, columns, lines, rows_of, sorted_by
from service_rows import QUERY, database_pool, failed_share, golden_signals, percentile, percentiles, process
from sources import now_as_table, over_time

JOB = 'job="query"'
REQUESTS = f"sum by (route) (rate(http_requests_total{{{QUERY}}}[$__rate_interval]))"
SUCCEEDED = f'{QUERY},status=~"2.."'
DURATION = "http_request_duration_seconds"


def query() -> dashboard.Dashboard:
    return board(
        "query",
        "Query",
        "GET /events and GET /stats/…: golden signals, by route, the questions to the database, saturation.",
        {
            "Golden signals": [*golden_signals(QUERY, objective=0.995, seconds=1), rows_returned()],
            "By route": [
                lines("Requests by route", "Requests answered per second.", "reqps", over_time(REQUESTS, "{{route}}")),
                lines(
                    "Failed requests by route",
                    "Share of a route's requests answered 5xx.",
                    "percentunit",
                    over_time(failed_share(QUERY, by="route"), "{{route}}"),
                    steps=[(0.005, "red")],
                ),
                lines(
                    "Latency by route, p95",
                    "95 % of a route's requests that succeeded took less. The dashed line is the objective's limit of 1 s.",
                    "s",
                    over_time(percentile(0.95, DURATION, SUCCEEDED, by="route, "), "{{route}}"),
                    steps=[(1, "red")],
                ),
                routes(),
            ],
            "Questions to the database": [
                lines(
                    "Duration by question, p95",
                    "One question, the wait for a connection included. The names are those of queries.sql.",
                    "s",
                    over_time(percentile(0.95, "query_db_duration_seconds", JOB, by="query, "), "{{query}}"),
                    steps=[(1, "red")],
                    width=12,
                ),
                lines(
                    "Time in the database by question",
                    "Seconds a second: 1 is one connection always busy. The tallest is where tuning pays.",
                    "short",
                    over_time(
                        f"sum by (query) (rate(query_db_duration_seconds_sum{{{JOB}}}[$__rate_interval]))", "{{query}}"
                    ),
                    stacked=True,
                    width=12,
                ),
            ],
            "Questions in columns": columns_engine(),
            "Database": database_pool(JOB),
            "Process": process(JOB),
        },
    )


def rows_returned() -> timeseries.Panel:
    return lines(
        "Events in an answer",
        "Of GET /events. Many at the limit: someone pages through everything.",
        "suffix: events",
        *percentiles("query_rows_returned", JOB),
    )


def routes() -> table.Panel:
    """A table of routes, the slowest first."""
    panel = rows_of(
        "Routes",
        "Over the range of time chosen above, the slowest on top. Latency is that of requests that succeeded.",
        "short",
        now_as_table(f"sum by (route) (rate(http_requests_total{{{QUERY}}}[$__range]))"),
        now_as_table(failed_share(QUERY, "$__range", by="route")),
        now_as_table(percentile(0.5, DURATION, SUCCEEDED, by="route, ", window="$__range")),
        now_as_table(percentile(0.95, DURATION, SUCCEEDED, by="route, ", window="$__range")),
        now_as_table(percentile(0.99, DURATION, SUCCEEDED, by="route, ", window="$__range")),
        height=6,
    )
    columns(
        panel,
        {
            "route": "Route",
            "Value #A": "Requests",
            "Value #B": "Failed",
            "Value #C": "p50",
            "Value #D": "p95",
            "Value #E": "p99",
        },
    )
    column(panel, "Requests", unit="reqps")
    column(panel, "Failed", unit="percentunit")
    for name in ("p50", "p95", "p99"):
        column(panel, name, unit="s")
    return sorted_by(panel, "p95")
