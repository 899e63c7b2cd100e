"""GET /stats/web/top: pages, sources, countries and so on, those with the most visitors first."""

from dataclasses import dataclass
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
from event_tracker.query.stats.web.dimensions import DIMENSIONS, WebDimension, build_number, build_whole_number
from event_tracker.query.stats.web.parameters import WebSchema, read_web
from event_tracker.query.stats.web.sessions import build_edges, build_pieces

PARTS = load_queries("event_tracker.query.stats.web", "top.sql")

SLOWEST = "slowest"
WITH_BYTES = ("status", "edge_result", "edge_location")
"""Dimensions whose rows have bytes, too."""

BY_VISITORS = "visitors desc, views desc, key nulls last"
BY_SECONDS = "seconds.quantiles[2] desc, views desc, key nulls last"
MOST_OFFSET = 1_000_000_000


class WebTopSchema(WebSchema):
    """Parameters of GET /stats/web/top."""

    by = Choice((*DIMENSIONS, SLOWEST), "page", "What is listed: see docs/api.md.")
    limit = Limit(10, "Most rows to answer.")
    offset = Between(0, MOST_OFFSET, 0, "How many rows of this order to pass over: those of earlier pages.")


def web_top(stats: Stats, call: Call) -> RangeAnswer:
    return stats.asker.ask(read_web_top(call, datetime.now(UTC), stats.explain, longest=stats.longest), call)


def read_web_top(call: Call, now: datetime, allow_explain: bool, *, longest: int) -> "WebTopQuery":
    return WebTopQuery(**read_web(call, now, allow_explain, longest))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTopQuery(FilteredQuery):
    """`limit` keys of a dimension, after the first `offset`. `gap` and `longest` are in seconds."""

    name: ClassVar = "web_top"
    counts_users: ClassVar = True
    first_seen: ClassVar = None

    by: str
    limit: int
    offset: int
    gap: int
    longest: int

    def build_statement(self) -> Statement:
        parameters = Parameters(
            gap=self.gap * SECOND, longest=self.longest * SECOND, limit=self.limit, offset=self.offset
        )
        dimension = DIMENSIONS["page" if self.by == SLOWEST else self.by]
        key = dimension.build(parameters)
        more, counted = self._count(dimension, parameters)
        statement = PARTS["top"].format(
            key=key,
            more=more,
            selected=select_query(self, parameters),
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
