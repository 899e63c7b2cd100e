"""Rows that the dashboards of both services share: golden signals, database, process. And their selectors."""

from parts import Panel, Query, buckets, column, columns, fixed_color, lines, rows_of
from sources import by_bucket, now_as_table, over_time

COLLECTOR = 'job="collector",method="POST",route=~"/.+"'
WORK = 'route=~"/(events|sources|stats|users?).*"'
QUERY = f'job="query",{WORK}'
"""The routes of the objectives, as in infra/prometheus/rules/slo.yaml: without probes and documentation."""

STATUS_COLORS = {"2..": "green", "4..": "orange", "5..": "red"}


def percentile(share: float, histogram: str, selector: str, by: str = "", window: str = "$__rate_interval") -> str:
    """A histogram's quantile over all instances; `by` are labels to keep, each followed by a comma."""
    return f"histogram_quantile({share}, sum by ({by}le) (rate({histogram}_bucket{{{selector}}}[{window}])))"


def percentiles(histogram: str, selector: str) -> list[Query]:
    """p50, p95 and p99 over time."""
    return [over_time(percentile(share, histogram, selector), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)]


def failed_share(selector: str, window: str = "$__rate_interval", by: str = "") -> str:
    """The share of requests answered with 5xx; 0 if there are none."""
    every = f"sum by ({by}) (rate(http_requests_total{{{selector}}}[{window}]))"
    failed = f'sum by ({by}) (rate(http_requests_total{{{selector},status=~"5.."}}[{window}]))'
    return f"({failed} or 0 * {every}) / {every}"


def none(label: str) -> str:
    """A series of 0 named none, for counters that have no series before their first event."""
    return f'label_replace(vector(0), "{label}", "none", "", "")'


def golden_signals(selector: str, objective: float, seconds: float) -> list[Panel]:
    """Requests, failures, latency and saturation. `objective` is the share that must succeed, `seconds` the latency objective."""
    job = selector.split(",")[0]
    requests = lines(
        "Requests by status",
        "Requests answered per second. 4xx are the client's mistakes, 5xx are ours.",
        "reqps",
        over_time(f"sum by (status) (rate(http_requests_total{{{selector}}}[$__rate_interval]))", "{{status}}"),
        stacked=True,
    )
    for pattern, color in STATUS_COLORS.items():
        requests.override_by_regexp(pattern, [fixed_color(color)])
    return [
        requests,
        lines(
            "Failed requests",
            f"Share of requests answered 5xx. The dashed line is the objective: at most {1 - objective:.1%} over 30 days.",
            "percentunit",
            over_time(failed_share(selector), "failed"),
            steps=[(round(1 - objective, 6), "red")],
        ),
        lines(
            "Latency",
            "Of requests that succeeded: from the headers read to the answer made. The dashed line is the objective's limit of "
            f"{seconds:g} s.",
            "s",
            *percentiles("http_request_duration_seconds", f'{selector},status=~"2.."'),
            steps=[(seconds, "red")],
        ),
        buckets(
            "Latency, distribution",
            "How many requests took how long, failed ones too: two groups of requests, or a slow tail, show here and not in percentiles.",
            by_bucket(f"sum by (le) (increase(http_request_duration_seconds_bucket{{{selector}}}[$__rate_interval]))"),
        ),
        lines(
            "Requests in progress",
            "Requests being answered now, by instance. Those of probes and of this page's own metrics are among them.",
            "short",
            over_time(f"sum by (instance) (http_requests_in_progress{{{job}}})", "{{instance}}"),
        ),
    ]


def database_pool(job: str) -> list[Panel]:
    """Connections and errors."""
    return [
        lines(
            "Database connections",
            "Of all instances together. In use at the maximum, and callers waiting, means the pool is exhausted.",
            "short",
            over_time(f"sum(db_pool_in_use{{{job}}})", "in use"),
            over_time(f"sum(db_pool_size{{{job}}})", "open"),
            over_time(f"sum(db_pool_max{{{job}}})", "most allowed"),
        ),
        lines(
            "Waiting for a connection",
            "Callers that wait for a database connection now, by instance. Lasting values above 0: the pool is exhausted.",
            "short",
            over_time(f"sum by (instance) (db_pool_waiting{{{job}}})", "{{instance}}"),
            steps=[(1, "orange")],
        ),
        lines(
            "Database errors",
            "By SQLSTATE class. 08: connection lost. 53: out of resources. 57: cancelled, or PostgreSQL is stopping.",
            "cps",
            over_time(
                f"sum by (sqlstate_class) (rate(db_errors_total{{{job}}}[$__rate_interval])) or on () {none('sqlstate_class')}",
                "{{sqlstate_class}}",
            ),
            steps=[(0.1, "red")],
        ),
    ]


def process(job: str) -> list[Panel]:
    """CPU, memory, and the running instances."""
    versions = rows_of(
        "What runs",
        "Each instance with its version, source revision and time since its start.",
        "s",
        now_as_table(f"sum by (instance, version, revision) (app_build_info{{{job}}})"),
        now_as_table(f"sum by (instance) (time() - process_start_time_seconds{{{job}}})"),
        width=8,
    )
    columns(
        versions,
        {"instance": "Instance", "version": "Version", "revision": "Revision", "Value #B": "Up for"},
        hidden=["Value #A"],
    )
    return [
        lines(
            "CPU",
            "Cores used, by instance. One process has one worker, so at 1 it can't do more: add instances.",
            "short",
            over_time(
                f"sum by (instance) (rate(process_cpu_seconds_total{{{job}}}[$__rate_interval]))", "{{instance}}"
            ),
            steps=[(0.8, "orange"), (1, "red")],
        ),
        lines(
            "Memory",
            "Resident memory, by instance.",
            "bytes",
            over_time(f"sum by (instance) (process_resident_memory_bytes{{{job}}})", "{{instance}}"),
        ),
        column(versions, "Up for", decimals=0),
    ]
