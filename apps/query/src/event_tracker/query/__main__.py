"""Run the query service: `query`, or `python -m event_tracker.query`. Settings come from the environment: docs/configuration.md."""

import event_tracker.core.server.gevent_patch  # noqa: F401, I001  # must be the first import


from event_tracker.core.server.run import serve
from event_tracker.query.settings import QuerySettings


def main() -> None:
    """Serve until SIGTERM."""
    serve("query", QuerySettings, "event_tracker.query.app:create_app")


if __name__ == "__main__":
    main()
