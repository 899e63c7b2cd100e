"""The relations that a question reads, over files on the local disk. Nothing that a request or an event says is part of their SQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import duckdb
from psycopg import sql

from event_tracker.columns.layout import COLUMNS
from event_tracker.columns.loading.cache import Cache
from event_tracker.columns.loading.conditions import Range, in_any, moment
from event_tracker.columns.loading.loaded import Loaded
from event_tracker.columns.loading.rows.hours import Hours
from event_tracker.columns.loading.snapshot import Selection
from event_tracker.columns.loading.spans import count_names
from event_tracker.columns.properties import name_properties, own_column, property_columns
from event_tracker.core.postgres.named_sql import load_queries

QUERIES = load_queries("event_tracker.columns.loading", "relations.sql")
Keys = tuple[str, ...]


class Relations:
    """Makes the relations `events`, `first_seen`, `persons` and `own_names` for a question.

    Args:
        properties: those that the question is about, in the columns `property_0` and so on.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        cache: Cache,
        hours: Hours,
        selection: Selection,
        loaded: Loaded,
        properties: Sequence[str],
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._selection = selection
        self._loaded = loaded
        self._properties = properties
        self._inside = {
            name: {(hour.start, hour.end) for hour in hours.inside(name)}
            for name in {name for names in loaded.files.values() for name in names}
        }
        self._most = self._count_parsed()
        archived = {file.keys for files in loaded.archived.values() for file in files}
        self._keys = sorted(({span.keys for span in loaded.files} | archived) - {()})
        self._erased = loaded.snapshot.archived.erased if loaded.snapshot.archived and loaded.archived else ()

    def create(self) -> None:
        """Create the relations that the selection asks for. It may be called in another thread."""
        name_properties(self._connection, self._properties)
        for number, keys in enumerate(self._keys):
            self._execute("name_keys", {"keys": list(keys)}, variable=sql.Identifier(f"keys_{number}"))
        if self._erased:
            pairs = [(user_id, source) for user_id, of in self._erased for source in ((None,) if of is None else of)]
            ids, sources = zip(*pairs, strict=True) if pairs else ((), ())
            self._execute("erased", {"user_ids": list(ids), "sources": list(sources)})
        start, end = self._selection.start, self._selection.end
        self._select_events("events", start, end)
        if self._selection.wider:
            self._select_events("all_events", *self._selection.wider)
        if self._selection.sample is not None:
            names = count_names((*self._loaded.snapshot.spans, *self._loaded.snapshot.left_out))
            self._execute("own_names", {"names": list(names), "events": list(names.values())})
        if self._selection.maps_users:
            self._create_persons()
        if self._selection.first_seen is not None:
            self._create_first_seen(*self._selection.first_seen)

    def _create_first_seen(self, start: datetime, end: datetime) -> None:
        if self._loaded.users is None:
            self._execute("earlier", identified=self._identified(None, start), start=moment(start))
            identified = self._identified(start, end)
            self._execute("first_seen_here", identified=identified, start=moment(start), end=moment(end))
        else:
            tables = [sql.SQL("from {}").format(table.name) for table in self._loaded.users]
            self._execute("first_seen", users=sql.SQL(" union all ").join(tables))

    def _create_persons(self) -> None:
        if self._loaded.persons is None:
            self._execute("nobody")
        else:
            self._execute("persons_of_ids", persons=self._loaded.persons.table.name)

    def _select_events(self, name: str, start: datetime, end: datetime) -> None:
        as_sent = self._selection.maps_users
        identified = _fill("ids", files=self._files(start, end)) if as_sent else self._identified(start, end)
        self._execute("events", name=sql.Identifier(name), identified=identified, start=moment(start), end=moment(end))

    def _count_parsed(self) -> int | None:
        """How many events a sample keeps of each file without columns of its own for properties; None is all."""
        if self._selection.sample is None:
            return None
        files = {name for span, names in self._loaded.files.items() if not span.keys for name in names}
        return max(1, self._selection.sample.parsed // max(1, len(files)))

    def _execute(self, query: str, parameters: dict[str, object] | None = None, **slots: sql.Composable) -> None:
        self._connection.execute(sql.SQL(QUERIES[query]).format(**slots).as_string(), parameters or {})

    def _identified(self, start: datetime | None, end: datetime) -> sql.Composable:
        """The same as `_files`, with whose the events are."""
        files = self._files(start, end)
        if self._loaded.persons is None:
            return _fill("ids", files=files)
        return _fill("persons", files=files, persons=self._loaded.persons.table.name)

    def _files(self, start: datetime | None, end: datetime) -> sql.Composable:
        """A SELECT from the files with events in [start, end). It may have others, too."""
        whole: dict[tuple[Keys, str], list[str]] = {}
        selects: list[sql.Composable] = []
        for (keys, name), hours in self._used(start, end).items():
            others = sorted(hour for hour in self._inside[name] - hours if _overlaps(*hour, start, end))
            if others:
                selects.append(_fill("without_hours", files=self._select([name], keys), hours=in_any(others)))
            else:
                # Of a sample each file is read by itself, in its order, so that its first events are always the same.
                alone = name if self._most is not None and not keys else ""
                whole.setdefault((keys, alone), []).append(name)
        selects += [self._select(names, keys) for (keys, _), names in whole.items()]
        selects += self._archived(start, end)
        return sql.SQL(" union all ").join(selects) if selects else self._no_events()

    def _archived(self, start: datetime | None, end: datetime) -> list[sql.Composable]:
        """The SELECTs from files of events that only the lake has, without those of whom is being erased there."""
        names: dict[Keys, list[str]] = {}
        for day, files in self._loaded.archived.items():
            if _overlaps(day.start, day.end, start, end):
                for file in files:
                    names.setdefault(file.keys, []).append(file.name)
        selects = [self._select(found, keys) for keys, found in names.items()]
        return [_fill("without_erased", files=select) for select in selects] if self._erased else selects

    def _used(self, start: datetime | None, end: datetime) -> dict[tuple[Keys, str], set[Range]]:
        """The files with events in [start, end), each with the hours that are read from it."""
        used: dict[tuple[Keys, str], set[Range]] = {}
        for span, names in self._loaded.files.items():
            if _overlaps(span.start, span.end, start, end):
                for name in names:
                    # A block that couldn't be read was read from rows: these have no columns of their own.
                    keys = span.keys if name == str(span.id) else ()
                    used.setdefault((keys, name), set()).add((span.start, span.end))
        return used

    def _select(self, names: Iterable[str], keys: Keys) -> sql.Composable:
        columns = sql.SQL(", ").join(
            self._all_properties(keys) if keys and name == "properties" else sql.Identifier(name) for name in COLUMNS
        )
        paths = sql.SQL(", ").join(sql.Literal(str(self._cache.path(name))) for name in names)
        properties = property_columns(self._properties, keys)
        files = _fill("files", columns=columns, properties=properties, paths=sql.SQL("[{}]").format(paths))
        return files if self._most is None or keys else _fill("first_events", files=files, most=sql.Literal(self._most))

    def _all_properties(self, keys: Keys) -> sql.Composable:
        values = sql.SQL(", ").join(own_column(place) for place in range(len(keys)))
        variable = sql.Literal(f"keys_{self._keys.index(keys)}")
        expression = _fill("all_properties", variable=variable, values=sql.SQL("[{}]").format(values))
        return sql.SQL("{} as properties").format(expression)

    def _no_events(self) -> sql.Composable:
        types = {**COLUMNS, **{f"property_{number}": "varchar" for number in range(len(self._properties))}}
        columns = [
            sql.SQL("null::{} as {}").format(sql.Identifier(kind), sql.Identifier(name)) for name, kind in types.items()
        ]
        return _fill("no_events", columns=sql.SQL(", ").join(columns))


def _fill(name: str, **slots: sql.Composable) -> sql.Composed:
    return sql.SQL(QUERIES[name]).format(**slots)


def _overlaps(first: datetime, last: datetime, start: datetime | None, end: datetime) -> bool:
    return first < end and (start is None or last > start)
