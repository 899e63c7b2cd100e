"""The lower bound for our services: Flask under the same server, which reads a JSON body and stores nothing."""

import event_tracker.core.server.gevent_patch  # noqa: F401, I001  # first of all, as the services do

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from event_tracker.core.server.run import serve
from event_tracker.core.settings import ServiceSettings, setting

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@dataclass(frozen=True, kw_only=True)
class NoopSettings(ServiceSettings):
    """No database."""

    database_url: str = setting("Not used.", default="")


class Noop:
    """The interface of an application for the server's worker."""

    def __init__(self, _settings: NoopSettings) -> None:
        app = Flask(__name__, static_folder=None)

        @app.get("/readyz")
        def readyz() -> dict[str, str]:
            return {"status": "ready"}

        @app.post("/events")
        def post_events() -> tuple[dict[str, Any], int]:
            event = request.get_json()
            return {"event_id": event.get("event_id"), "status": "read"}, 201

        self.app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Any:
        return self.app.wsgi_app(environ, start_response)

    def drain(self) -> None:
        """There is nothing to do."""

    def close(self) -> None:
        """Nothing to close."""


if __name__ == "__main__":
    serve("noop", NoopSettings, "bench.noop:Noop")
