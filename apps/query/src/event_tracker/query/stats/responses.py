"""Builds response bodies from rows, one function per query."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from event_tracker.query.stats.intervals import Interval, end_of
from event_tracker.query.stats.query_types import (
    FunnelQuery,
    PathsQuery,
    RangeQuery,
    RetentionQuery,
    SessionsQuery,
    TimeseriesQuery,
    TopPropertiesQuery,
    UsersQuery,
)

Body = dict[str, Any]
Row = Sequence[Any]

KINDS = {0: "other", -1: "missing"}


def range_header(query: RangeQuery, as_of: datetime) -> Body:
    """The members that all responses begin with."""
    return {**_range_members(query), "as_of": as_of}


def _range_members(query: RangeQuery) -> Body:
    return {
        "from": query.start.astimezone(query.zone),
        "to": query.end.astimezone(query.zone),
        "tz": query.zone.key,
    }


def build_timeseries(query: TimeseriesQuery, rows: Sequence[Row]) -> Body:
    """Build from rows (series, key, number of the interval from 1, count). Number 0 is the whole range, where that isn't the sum."""
    keys: dict[int, str | None] = {} if query.breakdown else {-1: None}
    values: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for number, key, bucket, count in rows:
        keys[number] = key
        values[number][bucket] += count
    # The most frequent keys first, then events without a key (-1), then all other keys (0).
    order = sorted(keys, key=lambda number: (number <= 0, number))
    return {
        "interval": query.interval,
        "metric": query.metric,
        "breakdown": query.breakdown,
        "points": _local(query.starts, query.zone),
        "series": [_build_series(query, number, keys[number], values[number]) for number in order],
    }


def _build_series(query: TimeseriesQuery, number: int, key: str | None, values: dict[int, int]) -> Body:
    return {
        "kind": "all" if query.breakdown is None else KINDS.get(number, "value"),
        "key": key,
        "values": [values[bucket] for bucket in range(1, len(query.starts) + 1)],
        "total": values[0] if query.metric != "events" else sum(values.values()),
    }


def build_users(query: UsersQuery, rows: Sequence[Row]) -> Body:
    """Build from rows (number of the interval from 1, or 0 for the whole range; active; new)."""
    found = {bucket: (active, new) for bucket, active, new in rows}
    points = [
        {"time": start, **_active(*found.get(bucket, (0, 0)))}
        for bucket, start in enumerate(_local(query.starts, query.zone), 1)
    ]
    return {"interval": query.interval, "points": points, **_active(*found[0])}


def _active(active: int, new: int) -> Body:
    return {"active": active, "new": new, "returning": active - new}


def build_sessions(query: SessionsQuery, rows: Sequence[Row]) -> Body:
    """Build from the single row with the totals of sessions."""
    ((count, people, events, bounces, mean, middle, longest, *edges),) = rows
    median, p90 = middle or (None, None)
    entries, entry_counts, exits, exit_counts = (column or [] for column in edges)
    return {
        "gap": query.gap,
        "longest": query.longest,
        "sessions": count,
        "users": people,
        "events": events,
        "bounces": bounces,
        "bounce_rate": _share(bounces, count),
        "events_per_session": _share(events, count),
        "duration": {"mean": mean, "median": median, "p90": p90, "max": longest},
        "by": query.by,
        "entries": _ranked("key", entries, entry_counts, count),
        "exits": _ranked("key", exits, exit_counts, count),
    }


def build_top_properties(query: TopPropertiesQuery, rows: Sequence[Row]) -> Body:
    """Build from rows (rank, value, count). Rank 0 is all values together, -1 is no value."""
    counts = {rank: count for rank, _, count in rows}
    listed = [(value, count) for rank, value, count in rows if rank > 0]
    return {
        "key": query.key,
        "items": [{"value": value, "count": count, "share": _share(count, counts[0])} for value, count in listed],
        "total": counts[0],
        "missing": counts[-1],
    }


def build_funnel(query: FunnelQuery, rows: Sequence[Row]) -> Body:
    """Build from one row: users and median seconds of each step."""
    (row,) = rows
    reached, medians = row[0::2], row[1::2]
    steps: list[Body] = []
    for number, (event_type, properties) in enumerate(query.steps):
        before = reached[number - 1] if number else None
        steps.append(
            {
                "event_type": event_type,
                "properties": dict(properties),
                "users": reached[number],
                "conversion": _share(reached[number], reached[0]),
                "step_conversion": None if before is None else _share(reached[number], before),
                "dropped": 0 if before is None else before - reached[number],
                "median_seconds": medians[number] if number else None,
            }
        )
    return {"window": query.window, "steps": steps}


def build_retention(query: RetentionQuery, as_of: datetime, rows: Sequence[Row]) -> Body:
    """Build from rows (number of the cohort from 1, periods after it, users). -1 periods is the size of the cohort."""
    found = {(period, after): count for period, after, count in rows}
    last = len(query.starts)
    end = min(query.end, as_of)
    complete = [
        query.start <= start and end_of(start, cast(Interval, query.period), query.zone) <= end
        for start in query.starts
    ]
    cohorts: list[Body] = []
    for period, start in enumerate(_local(query.starts, query.zone), 1):
        size = found.get((period, -1), 0)
        retained = [found.get((period, after), 0) for after in range(last - period + 1)]
        rates = [_share(count, size) for count in retained]
        cohorts.append(
            {"start": start, "users": size, "retained": retained, "rates": rates, "complete": complete[period - 1 :]}
        )
    return {"period": query.period, "cohorts": cohorts}


def build_paths(query: PathsQuery, rows: Sequence[Row]) -> Body:
    """Build from rows (step, rank, keys, count): transitions by step, sequences (step 0), occurrences (step -1)."""
    ranked: dict[int, list[tuple[list[str | None], int]]] = defaultdict(list)
    rest: dict[int, int] = defaultdict(int)
    for step, rank, keys, count in rows:
        if rank:
            ranked[step].append((keys, count))
        else:
            rest[step] = count
    occurrences = rest[-1]
    return {
        "start": query.origin,
        "direction": query.direction,
        "depth": query.depth,
        "by": query.by,
        "occurrences": occurrences,
        "steps": [
            {
                "step": step,
                "transitions": [
                    {"source": source, "target": target, "count": count} for (source, target), count in ranked[step]
                ],
                "other": rest[step],
            }
            for step in range(1, query.depth + 1)
        ],
        "paths": [{"keys": keys, "count": count, "share": _share(count, occurrences)} for keys, count in ranked[0]],
        "other_paths": rest[0],
    }


def build_user(user_id: str, query: RangeQuery, as_of: datetime, row: Row) -> Body:
    """Build from the single row about a user."""
    first_seen, last_seen, events, in_range, days, visits, types, counts = row
    return {
        "user_id": user_id,
        "first_seen": first_seen,
        "last_seen": last_seen,
        "events": events,
        **range_header(query, as_of),
        "range": {
            "events": in_range,
            "active_days": days,
            "sessions": visits,
            "types": _ranked("event_type", types or [], counts or [], in_range),
        },
    }


def _ranked(name: str, keys: Sequence[Any], counts: Sequence[int], total: int) -> list[Body]:
    return [{name: key, "count": count, "share": _share(count, total)} for key, count in zip(keys, counts, strict=True)]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _local(starts: Sequence[datetime], zone: ZoneInfo) -> list[datetime]:
    return [start.astimezone(zone) for start in starts]
