"""The web server: Streamlit's application under uvicorn."""

import csv
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.starlette import App

from event_tracker.dashboard.auth import sign_in
from event_tracker.dashboard.charts import countries, opening
from event_tracker.dashboard.client import download
from event_tracker.dashboard.settings import Settings
from event_tracker.dashboard.web.compression import IMMUTABLE, Compressed, takes_gzip
from event_tracker.dashboard.web.connections import BoundedProtocol
from event_tracker.dashboard.web.headers import Headers
from event_tracker.dashboard.web.methods import ReadOnly
from event_tracker.dashboard.web.sockets import Sockets

STOP_SECONDS = 5
"""How long a download may continue after SIGTERM."""

MAX_MESSAGE_BYTES = 1024 * 1024
"""The largest message that a page may send over its WebSocket: the state of its inputs, of which a schema is the largest. It
is limited because anybody can open a WebSocket."""


async def _open(_request: Request) -> Response:
    return Response(opening.SCRIPT, media_type="text/javascript")


OPEN_ROUTE = Route(opening.PATH, _open, methods=["GET"])


async def _map(request: Request) -> Response:
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding"}
    if takes_gzip(request.headers.get("accept-encoding", "")):
        zipped = {**headers, "Content-Encoding": "gzip"}
        return Response(countries.compressed_map(), media_type="application/json", headers=zipped)
    return Response(countries.MAP, media_type="application/json", headers=headers)


MAP_ROUTE = Route(countries.PATH, _map, methods=["GET"])


@asynccontextmanager
async def _prepared(_app: App) -> AsyncIterator[None]:
    """Import the pages' libraries (pandas, Plotly) before the first reader comes."""
    importlib.import_module("event_tracker.dashboard.pages.overview")
    yield


def serve(settings: Settings) -> None:
    """Serve the pages until a signal comes. Streamlit's own settings are in .streamlit/config.toml beside app.py."""
    csv.field_size_limit(download.LONGEST_VALUE)
    uvicorn.run(
        App(
            Path(__file__).parent / "app.py",
            lifespan=_prepared,
            routes=[download.ROUTE, OPEN_ROUTE, MAP_ROUTE, *sign_in.ROUTES],
            middleware=[
                Middleware(Headers),
                Middleware(Sockets),
                Middleware(ReadOnly, but=sign_in.ROUTES),
                Middleware(Compressed),
            ],
        ),
        host=settings.host,
        port=settings.port,
        http=BoundedProtocol,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        # As Streamlit does by default: a stream may have secrets, and texts that anybody may send. Its length would reveal secrets.
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
