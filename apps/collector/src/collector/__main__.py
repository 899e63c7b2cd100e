"""Run the collector: `collector`, or `python -m collector`. Settings come from the environment: docs/configuration.md."""

from gevent import monkey

monkey.patch_all()  # first of all: psycopg chooses how to wait when it is imported

from collector.app import create_app  # noqa: E402
from collector.settings import CollectorSettings  # noqa: E402
from core.server import serve  # noqa: E402


def main() -> None:
    """Serve until SIGTERM."""
    serve("collector", CollectorSettings, create_app)


if __name__ == "__main__":
    main()
