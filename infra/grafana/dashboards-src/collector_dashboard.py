"""The dashboard Collector: whether it takes events, which it refuses, and what makes it slow."""

from grafana_foundation_sdk.builders import dashboard, timeseries
from parts import board, lines
from service_rows import COLLECTOR, database_pool, golden_signals, none, percentiles, process
from sources import over_time

JOB = 'job="collector"'


def collector() -> dashboard.Dashboard:
    golden = golden_signals(COLLECTOR, objective=0.999, seconds=0.25)
    return board(
        "collector",
        "Collector",
        "POST /events: golden signals, what comes in and what is refused, storing, saturation.",
        {
            "Golden signals": [*golden, refused_share()],
            "Events": [
                lines(
                    "Events by outcome",
                    "Events per second. Duplicates were sent again after they had been stored: clients retry.",
                    "suffix: events/s",
                    over_time(
                        f"sum by (outcome) (rate(collector_events_total{{{JOB}}}[$__rate_interval]))", "{{outcome}}"
                    ),
                    stacked=True,
                ),
                lines(
                    "Errors in refused events",
                    "By code; docs/api.md lists them. not_storable is a bug of ours, the others are the client's.",
                    "suffix: errors/s",
                    over_time(
                        f"sum by (code) (rate(collector_events_rejected_by_code_total{{{JOB}}}[$__rate_interval]))"
                        f" or on () {none('code')}",
                        "{{code}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Lag",
                    "From an event's timestamp to its COMMIT; of each statement, its oldest event. Clients that were "
                    "offline, or send history, show here.",
                    "s",
                    *percentiles("collector_event_lag_seconds", JOB),
                ),
            ],
            "Storing": [
                lines(
                    "Events a statement",
                    "Requests that arrive while a statement is in flight share the next one: groups grow with the load.",
                    "suffix: events",
                    *percentiles("collector_group_events", JOB),
                ),
                lines(
                    "Duration of a statement",
                    "Storing one group, COMMIT included.",
                    "s",
                    *percentiles("collector_statement_duration_seconds", JOB),
                ),
                lines(
                    "Queue",
                    "Events waiting to be stored, in the fullest instance, and how many may wait: what doesn't fit is a 503.",
                    "suffix: events",
                    over_time(f"max(collector_queue_events{{{JOB}}})", "waiting"),
                    over_time(f"min(collector_queue_bound_events{{{JOB}}})", "bound"),
                ),
            ],
            "Database": database_pool(JOB),
            "Process": process(JOB),
        },
    )


def refused_share() -> timeseries.Panel:
    rate = f"sum(rate(collector_events_total{{{JOB}%s}}[$__rate_interval]))"
    refused = rate % ',outcome="rejected"'
    return lines(
        "Refused events",
        "Share of events that were refused. A jump is a client's release that sends something wrong.",
        "percentunit",
        over_time(f"{refused} / {rate % ''}", "refused"),
        steps=[(0.05, "orange")],
    )
