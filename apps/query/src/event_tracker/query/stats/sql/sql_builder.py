"""Builds statements from the named parts in `queries.sql`."""

from functools import cache

from psycopg import sql

from event_tracker.query.stats.query_types import (
    FilteredQuery,
    FunnelQuery,
    PathsQuery,
    RangeQuery,
    SessionsQuery,
    TimeseriesQuery,
)
from event_tracker.query.stats.sql.statements import QUERIES, fill
from event_tracker.query.stats.summarised_days import SummarisedDays

TYPE = sql.SQL("event_type")
NO_KEY = sql.SQL('null::text collate "C"')
ALL = sql.SQL("true")
NOTHING = sql.SQL("false")
TYPE_CONDITION = sql.SQL("event_type = any (%(event_types)b::text[])")


def raw_dimension(by: str | None) -> sql.SQL:
    """The SQL expression of a dimension as it is stored, with numbers in any spelling."""
    match by:
        case None:
            return NO_KEY
        case "event_type":
            return TYPE
        case _:
            return sql.SQL(QUERIES["written"])


def dimension(by: str | None) -> sql.Composable:
    """The SQL expression of a dimension with one spelling for each number. It is slow: group by `raw_dimension` first where possible."""
    return normalise_value(by, raw_dimension(by))


def normalise_value(by: str | None, written: sql.Composable) -> sql.Composable:
    """The normalised value of a raw dimension. Event types are never numbers, so they stay as they are."""
    return written if by in (None, "event_type") else fill("value", written=written)


def select_events(query: FilteredQuery, *more: sql.Composable) -> sql.Composed:
    """The events that a query selects, with the additional conditions `more`."""
    names = ["range", *(name for name in ("event_types", "properties") if getattr(query, name))]
    if query.sources is not None:
        names.append("sources")
    conditions = [sql.SQL(QUERIES[f"selected.{name}"]) for name in names]
    return fill("selected", conditions=sql.SQL(" and ").join([*conditions, *more]))


def select_visits(query: FilteredQuery) -> sql.Composed:
    """The selected events, each with its visit. Visits may be longer than allowed."""
    return fill("visited", selected=select_events(query))


def select_cut_visits(query: FilteredQuery, *more: sql.Composable) -> sql.Composed:
    """The selected events with the conditions `more`, each with its visit. Visits that are too long are cut."""
    return fill("visited.cut", visited=fill("visited", selected=select_events(query, *more)))


def select_sessions(query: TimeseriesQuery, key: sql.Composable, subject: sql.SQL) -> sql.Composed:
    """The sessions of a series, by interval and key."""
    return fill(
        "timeseries.found_sessions",
        key=key,
        subject=subject,
        visited=select_visits(query),
        cut=_select_long_visits(query),
    )


def _select_long_visits(query: FilteredQuery) -> sql.Composed:
    return select_cut_visits(query, sql.SQL(QUERIES["of_long"]))


def type_condition(query: FilteredQuery) -> sql.SQL:
    """The condition on event types, for queries that filter by nothing else."""
    return TYPE_CONDITION if query.event_types else ALL


def source_condition(query: RangeQuery) -> sql.SQL:
    """The condition on sources, to append to other conditions. It is empty where there is no restriction."""
    return _source_condition(query.sources is not None)


def _source_condition(restricted: bool) -> sql.SQL:
    return sql.SQL(QUERIES["and_sources"] if restricted else "")


def select_first_seen(query: FilteredQuery) -> sql.Composable:
    """The expression that says when a user was first seen: as in the table `users`, or for some sources by their events."""
    return sql.SQL(QUERIES["first_seen" if query.sources is None else "first_seen.of_sources"])


def select_users(query: FilteredQuery, found: sql.Composable) -> sql.Composable:
    """The relation of users and when they were first seen: the table `users`, or for some sources a query over their events."""
    if query.sources is None:
        return sql.SQL("users")
    return fill("retention.users_of_sources", found=found, first_seen=select_first_seen(query))


def build_visits(query: SessionsQuery | PathsQuery, days: SummarisedDays | None) -> sql.Composed:
    """The sessions of a query. Those of summarised days are read from the summaries."""
    if days:
        events = fill("visits.pieces", pieces=outside_condition(days), sources=source_condition(query))
        parts = fill("visits.summary", parts=fill("visits.parts", events=events))
    else:
        events = fill("visits.events", key=dimension(query.by), selected=select_events(query))
        parts = fill("visits.parts", events=events)
    return fill("visits", parts=parts, key=dimension(query.by), cut=_select_long_visits(query))


def outside_condition(days: SummarisedDays) -> sql.Composed:
    """The condition for events outside the summarised days. The bounds are literals, because the plan depends on them."""
    conditions = [fill("piece", start=sql.Literal(start), end=sql.Literal(end)) for start, end in days.unsummarised]
    return sql.SQL("({})").format(sql.SQL(" or ").join(conditions)) if conditions else sql.Composed([NOTHING])


def build_paths(query: PathsQuery, days: SummarisedDays | None) -> sql.Composed:
    """The statement of a query of paths."""
    keys = [sql.Identifier(f"key_{step}") for step in range(query.depth + 1)]
    forwards = query.direction == "next"
    positions = [
        sql.SQL("keys[place {} {}] as {}").format(sql.SQL("+" if forwards else "-"), sql.Literal(step), key)
        for step, key in enumerate(keys)
    ]
    transitions = [
        fill("paths.transition", step=sql.Literal(step), source=keys[step - 1], target=keys[step])
        for step in range(1, query.depth + 1)
    ]
    edges = fill("paths.edges", edge=sql.SQL("1" if forwards else "cardinality(keys)"))
    return fill(
        "paths",
        visits=build_visits(query, days),
        keys_of_visit=sql.SQL("keys" if query.by == "event_type" else "array_remove(keys, null)"),
        keys=sql.SQL(", ").join(keys),
        positions=sql.SQL(", ").join(positions),
        occurrences=edges if query.origin is None else fill("paths.origin"),
        transitions=sql.SQL(" union all ").join(transitions),
    )


def build_funnel(query: FunnelQuery) -> sql.Composed:
    """The statement of a query of a funnel."""
    return _build_funnel(tuple(bool(properties) for _, properties in query.steps), query.sources is not None)


@cache
def _build_funnel(filtered: tuple[bool, ...], restricted: bool) -> sql.Composed:
    """The statement of a funnel. `filtered` says for each step whether it filters by properties."""
    steps = len(filtered)
    numbers = range(1, steps + 1)
    matches = [_build_match(number, filtered[number - 1]) for number in numbers]
    matched = fill("funnel.matched", matches=sql.SQL(", ").join(matches), sources=_source_condition(restricted))
    levels = fill("funnel.first_level", below=matched)
    for number in numbers[1:]:
        levels = fill(
            "funnel.level",
            below=levels,
            match=_column("match", number),
            start=_column("start", number),
            before=_column("before", number),
            start_below=_column("start", number - 1),
            first_below=_column("first", number - 1),
            needed=sql.SQL(" or ").join(
                [_column("first", below) for below in range(1, number)]
                + [_column("match", above) for above in range(number + 1, steps + 1)]
            ),
        )
    levels = fill("funnel.last_level", below=levels, start=_column("start", steps), first=_column("first", steps))
    answers = [
        fill("funnel.answer", first=_column("first", number), before=_column("before", number)) for number in numbers
    ]
    return fill("funnel", answers=sql.SQL(", ").join(answers), levels=levels)


def _build_match(number: int, filtered: bool) -> sql.Composed:
    """The column that says whether an event matches this step."""
    return fill(
        "funnel.match_properties" if filtered else "funnel.match",
        event_type=sql.Placeholder(f"type_{number}", format="b"),
        names=sql.Placeholder(f"names_{number}", format="b"),
        values=sql.Placeholder(f"values_{number}", format="b"),
        stems=sql.Placeholder(f"stems_{number}", format="b"),
        match=_column("match", number),
    )


def _column(name: str, number: int) -> sql.Identifier:
    return sql.Identifier(f"{name}_{number}")
