"""GET /events/export: streams all events of a filter."""

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import NamedTuple

import gevent
from flask import Response

from event_tracker.query import metrics
from event_tracker.query.auth.calls import Call
from event_tracker.query.events.streams.downloads import Downloads
from event_tracker.query.events.streams.export_pages import ExportPages
from event_tracker.query.events.streams.formats import FORMATS, GZIPPED, Rows
from event_tracker.query.events.streams.parameters import read_export

BATCH = 500
"""Rows that are encoded before other requests get a chance to run."""


class Exports(NamedTuple):
    """What exports work with."""

    export_pages: ExportPages
    downloads: Downloads


def export_events(exports: Exports, call: Call) -> Response:
    export = read_export(call)
    if export.format == "parquet" and "pyarrow.parquet" not in sys.modules:
        # The import takes a second or more. In a thread it doesn't block other requests.
        gevent.get_hub().threadpool.apply(import_module, ("pyarrow.parquet",))
    return exports.downloads.stream(
        _encode_pages(exports.export_pages.read(export.event_query, export.limit, call.client), export.format),
        kind=export.format,
        name=f"events.{export.format}",
        content_type=FORMATS[export.format].content_type,
        gzips=export.format in GZIPPED,
    )


def _encode_pages(pages: Iterable[Rows], name: str) -> Iterator[bytes]:
    """Encode the pages as parts of the body. A part may be empty."""
    encoder = FORMATS[name]()
    exported = metrics.EVENTS_EXPORTED.labels(name)
    before = encoder.head()
    for page in pages:
        for start in range(0, max(1, len(page)), BATCH):
            rows = page[start : start + BATCH]
            yield before + encoder.rows(rows)
            before = b""
            exported.inc(len(rows))
    yield before + encoder.tail()
