"""GET /stats/web/top: pages, sources, countries and so on, those with the most visitors first."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import Between, Choice, Limit
from event_tracker.query.stats.answers import Count, RangeAnswer, Share, UsersRangeAnswer, share, users_range_members
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters, Statement, select_query
from event_tracker.query.stats.columns.visits import SECOND
from event_tracker.query.stats.query_types import FilteredQuery
from event_tracker.query.stats.store import Pages
from event_tracker.query.stats.web.dimensions import DIMENSIONS, WebDimension, build_number, build_whole_number
from event_tracker.query.stats.web.parameters import WebSchema, read_web
from event_tracker.query.stats.web.sessions import build_edges, build_pieces

PARTS = load_queries("event_tracker.query.stats.web", "top.sql")

SLOWEST = "slowest"
NAMES = ("title", "category")
"""Dimensions by what pages are called, in the order of `Pages`."""

WITH_BYTES = ("status", "edge_result", "edge_location")
"""Dimensions whose rows have bytes, too."""

BY_VISITORS = "visitors desc, views desc, key nulls last"
BY_SECONDS = "seconds.quantiles[2] desc, views desc, key nulls last"
MAX_OFFSET = 1_000_000_000


class WebTopSchema(WebSchema):
    """Parameters of GET /stats/web/top."""

    by = Choice((*DIMENSIONS, *NAMES, SLOWEST), "page", "What is listed: see docs/api.md.")
    limit = Limit(10, "Most rows to answer.")
    offset = Between(0, MAX_OFFSET, 0, "How many rows of this order to pass over: those of earlier pages.")


def web_top(stats: Stats, call: Call) -> RangeAnswer:
    query = read_web_top(call, datetime.now(UTC), stats.explain, longest=stats.longest)
    if query.by in NAMES:
        query = replace(query, pages=stats.store.read_pages(query.sources, call.client))
    return stats.asker.ask(query, call)


def read_web_top(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> "WebTopQuery":
    return WebTopQuery(**read_web(call, now, allow_explain, longest))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTopQuery(FilteredQuery):
    """`limit` keys of a dimension, after the first `offset`. `gap` and `longest` are in seconds; `pages` are those of the sources, where
    the dimension is what they are called."""

    name: ClassVar = "web_top"
    counts_users: ClassVar = True
    first_seen: ClassVar = None

    by: str
    limit: int
    offset: int
    gap: int
    longest: int
    pages: Pages = ()

    def build_statement(self) -> Statement:
        parameters = Parameters(
            gap=self.gap * SECOND, longest=self.longest * SECOND, limit=self.limit, offset=self.offset
        )
        dimension = DIMENSIONS["page" if self.by in (SLOWEST, *NAMES) else self.by]
        key = dimension.build(parameters)
        more, counted = self._count(dimension, parameters)
        events = select_query(self, parameters)
        if self.by in NAMES:
            selected = self._name_pages(events, key, parameters)
        else:
            selected = PARTS["keyed"].format(key=key, more=more, events=events)
        statement = PARTS["top"].format(
            selected=selected,
            sessions=self._build_sessions(dimension),
            counted=counted,
            order=BY_SECONDS if self.by == SLOWEST else BY_VISITORS,
        )
        return Statement(statement, parameters)

    def _count(self, dimension: WebDimension, parameters: Parameters) -> tuple[str, str]:
        """More columns of the page views, and the relation `counted`."""
        if dimension.of != "views":
            return "", PARTS["by_sessions"]
        by_views = PARTS["by_views"].replace("counted as", "by_views as")
        if self.by == SLOWEST:
            seconds = build_number(parameters.read_property("seconds"))
            return f", {seconds} as seconds", PARTS["slowest"].format(by_views_uncounted=by_views)
        if self.by in WITH_BYTES:
            transferred = build_whole_number(parameters.read_property("bytes"))
            return f", {transferred} as bytes", PARTS["with_bytes"].format(by_views_uncounted=by_views)
        return "", PARTS["by_views"]

    def _name_pages(self, events: str, page: str, parameters: Parameters) -> str:
        """The page views with the titles, or categories, of their pages."""
        place = 3 + NAMES.index(self.by)
        known = [page for page in self.pages if page[place] is not None]
        for number, name in enumerate(("page_sources", "page_hosts", "page_paths")):
            parameters[name] = [page[number] for page in known]
        parameters["page_names"] = [page[place] for page in known]
        host, learns = parameters.read_property("host"), self.by == "title"
        return PARTS["named"].format(
            events=events,
            host=host,
            page=page,
            learnt=PARTS["learnt"].format(title=parameters.read_property("title")) if learns else "",
            latest=", learnt.title" if learns else "",
            titles=PARTS["titles"] if learns else "",
        )

    def _build_sessions(self, dimension: WebDimension) -> str:
        length = self.end - self.start
        if dimension.of == "views":
            return build_pieces("key", length, self.longest)
        return build_edges(dimension.of, length, self.longest)

    def build_answer(self, as_of: datetime, rows: list[Any]) -> "WebTopAnswer":
        """Build from rows (number of keys, visitors of all; rank; then what `WebRow` has). An empty page has one row without a rank."""
        total, everybody = rows[0][:2]
        return WebTopAnswer(
            **users_range_members(self, as_of),
            gap=self.gap,
            longest=self.longest,
            by=self.by,
            visitors=everybody,
            rows=[self._build_row(everybody, *row[3:]) for row in rows if row[2] is not None],
            total=total,
        )

    def _build_row(
        self,
        everybody: int,
        key: str | None,
        visitors: int,
        views: int,
        sessions: int,
        bounces: int,
        transferred: int | None,
        seconds: dict[str, Any] | None,
    ) -> "WebRow":
        return WebRow(
            key=key,
            visitors=visitors,
            page_views=views,
            sessions=sessions,
            bounce_rate=share(bounces, sessions),
            share=share(visitors, everybody),
            bytes=UNSET if transferred is None else transferred,
            seconds=UNSET if seconds is None else WebSeconds(seconds["count"], *seconds["quantiles"]),
        )


class WebSeconds(msgspec.Struct):
    count: Annotated[int, Meta(ge=1, description="Page views that have them.")]
    median: float
    p95: float


class WebRow(msgspec.Struct, kw_only=True):
    key: Annotated[str | None, Meta(description="null where it is missing.")]
    visitors: Count
    page_views: Count
    sessions: Count
    bounce_rate: Share
    share: Share
    bytes: Annotated[int | UnsetType, Meta(description=f"Sum of `bytes`: by {', '.join(WITH_BYTES)}.")] = UNSET
    seconds: Annotated[WebSeconds | UnsetType, Meta(description=f"The property `seconds`: by {SLOWEST}.")] = UNSET


class WebTopAnswer(UsersRangeAnswer, kw_only=True):
    gap: Count
    longest: Count
    by: str
    visitors: Annotated[Count, Meta(description="Of all rows together; `share` is of these.")]
    rows: list[WebRow]
    total: Annotated[Count, Meta(description="How many rows there are, on all pages.")]
