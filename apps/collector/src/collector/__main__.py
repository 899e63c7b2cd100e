"""Run the collector: `collector`, or `python -m collector`. Settings come from the environment: docs/configuration.md."""

import core.patched  # noqa: F401, I001  # first of all, as it says

from collector.settings import CollectorSettings
from core.server import serve


def main() -> None:
    """Serve until SIGTERM."""
    serve("collector", CollectorSettings, "collector.app:create_app")


if __name__ == "__main__":
    main()
