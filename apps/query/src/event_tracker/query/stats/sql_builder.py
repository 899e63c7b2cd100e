"""Statements put together from named parts. There are few combinations, and each is composed once."""

from functools import cache

from psycopg import sql

from event_tracker.query.stats.questions import Funnel, Paths, Range, Selection, Sessions, Timeseries
from event_tracker.query.stats.statements import QUERIES, part
from event_tracker.query.stats.summarised_days import Days

TYPE = sql.SQL("event_type")
NO_KEY = sql.SQL('null::text collate "C"')
ALL = sql.SQL("true")
NOTHING = sql.SQL("false")
WANTED_TYPES = sql.SQL("event_type = any (%(event_types)b::text[])")


def written(by: str | None) -> sql.SQL:
    """The expression of what events are told apart by, as it is stored: numbers in any spelling."""
    match by:
        case None:
            return NO_KEY
        case "event_type":
            return TYPE
        case _:
            return sql.SQL(QUERIES["written"])


def dimension(by: str | None) -> sql.Composable:
    """The same with one spelling for each number. It costs time: what counts events groups them as they are stored first."""
    return value_of(by, written(by))


def value_of(by: str | None, written: sql.Composable) -> sql.Composable:
    """The value of an expression that was grouped by already. Event types are texts and nothing else."""
    return written if by in (None, "event_type") else part("value", written=written)


def selected(asked: Selection, *more: sql.Composable) -> sql.Composed:
    """The events that a question is about, and that fulfil `more` as well."""
    names = ["range", *(name for name in ("event_types", "properties") if getattr(asked, name))]
    if asked.sources is not None:
        names.append("sources")
    conditions = [sql.SQL(QUERIES[f"selected.{name}"]) for name in names]
    return part("selected", conditions=sql.SQL(" and ").join([*conditions, *more]))


def visited(asked: Selection) -> sql.Composed:
    """The same, each with its visit, which may last too long."""
    return part("visited", selected=selected(asked))


def cut(asked: Selection, *more: sql.Composable) -> sql.Composed:
    """The events that fulfil `more` as well, each with its visit, which is cut where it lasts too long."""
    return part("visited.cut", visited=part("visited", selected=selected(asked, *more)))


def found_sessions(asked: Timeseries, key: sql.Composable, subject: sql.SQL) -> sql.Composed:
    """The sessions of a series, by interval and key."""
    return part("timeseries.found_sessions", key=key, subject=subject, visited=visited(asked), cut=_cut_long(asked))


def _cut_long(asked: Selection) -> sql.Composed:
    return cut(asked, sql.SQL(QUERIES["of_long"]))


def wanted_types(asked: Selection) -> sql.SQL:
    """The condition on types where only types are filtered by."""
    return WANTED_TYPES if asked.event_types else ALL


def and_sources(asked: Range) -> sql.SQL:
    """The same on sources, behind other conditions; nothing where there is no restriction."""
    return _and_sources(asked.sources is not None)


def _and_sources(restricted: bool) -> sql.SQL:
    return sql.SQL(QUERIES["and_sources"] if restricted else "")


def known_users(asked: Selection, found: sql.Composable) -> sql.Composable:
    """When users were first seen: a table, or of some sources what takes its place for those who are found."""
    return sql.SQL("users") if asked.sources is None else part("users.of_sources", found=found)


def visits(asked: Sessions | Paths, days: Days | None) -> sql.Composed:
    """The sessions of a question; those of days that are summed up are taken from there."""
    if days:
        events = part("visits.pieces", pieces=pieces(days), sources=and_sources(asked))
        parts = part("visits.summary", parts=part("visits.parts", events=events))
    else:
        events = part("visits.events", key=dimension(asked.by), selected=selected(asked))
        parts = part("visits.parts", events=events)
    return part("visits", parts=parts, key=dimension(asked.by), cut=_cut_long(asked))


def pieces(days: Days) -> sql.Composed:
    """The condition for events outside the days that are summed up. As constants: the plan depends on them."""
    conditions = [part("piece", start=sql.Literal(start), end=sql.Literal(end)) for start, end in days.pieces]
    return sql.SQL("({})").format(sql.SQL(" or ").join(conditions)) if conditions else sql.Composed([NOTHING])


def paths(asked: Paths, days: Days | None) -> sql.Composed:
    """The statement of a question about paths."""
    keys = [sql.Identifier(f"key_{step}") for step in range(asked.depth + 1)]
    forwards = asked.direction == "next"
    positions = [
        sql.SQL("keys[place {} {}] as {}").format(sql.SQL("+" if forwards else "-"), sql.Literal(step), key)
        for step, key in enumerate(keys)
    ]
    transitions = [
        part("paths.transition", step=sql.Literal(step), source=keys[step - 1], target=keys[step])
        for step in range(1, asked.depth + 1)
    ]
    edges = part("paths.edges", edge=sql.SQL("1" if forwards else "cardinality(keys)"))
    return part(
        "paths",
        visits=visits(asked, days),
        keys_of_visit=sql.SQL("keys" if asked.by == "event_type" else "array_remove(keys, null)"),
        keys=sql.SQL(", ").join(keys),
        positions=sql.SQL(", ").join(positions),
        occurrences=edges if asked.origin is None else part("paths.origin"),
        transitions=sql.SQL(" union all ").join(transitions),
    )


def funnel(asked: Funnel) -> sql.Composed:
    """The statement of a question about a funnel."""
    return _funnel(tuple(bool(properties) for _, properties in asked.steps), asked.sources is not None)


@cache
def _funnel(filtered: tuple[bool, ...], restricted: bool) -> sql.Composed:
    """The statement for as many steps as `filtered` is long, true for those that filter by properties; of some sources or all."""
    steps = len(filtered)
    numbers = range(1, steps + 1)
    matches = [_match(number, filtered[number - 1]) for number in numbers]
    matched = part("funnel.matched", matches=sql.SQL(", ").join(matches), sources=_and_sources(restricted))
    levels = part("funnel.first_level", below=matched)
    for number in numbers[1:]:
        levels = part(
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
    levels = part("funnel.last_level", below=levels, start=_column("start", steps), first=_column("first", steps))
    answers = [
        part("funnel.answer", first=_column("first", number), before=_column("before", number)) for number in numbers
    ]
    return part("funnel", answers=sql.SQL(", ").join(answers), levels=levels)


def _match(number: int, filtered: bool) -> sql.Composed:
    """Whether an event is one of this step."""
    return part(
        "funnel.match_properties" if filtered else "funnel.match",
        event_type=sql.Placeholder(f"type_{number}", format="b"),
        names=sql.Placeholder(f"names_{number}", format="b"),
        values=sql.Placeholder(f"values_{number}", format="b"),
        stems=sql.Placeholder(f"stems_{number}", format="b"),
        match=_column("match", number),
    )


def _column(name: str, number: int) -> sql.Identifier:
    return sql.Identifier(f"{name}_{number}")
