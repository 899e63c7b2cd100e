"""Run the query service: `query`, or `python -m query`. Settings come from the environment: docs/configuration.md."""

import core.patched  # noqa: F401, I001  # first of all, as it says


from core.server import serve
from query.settings import QuerySettings


def main() -> None:
    """Serve until SIGTERM."""
    serve("query", QuerySettings, "query.app:create_app")


if __name__ == "__main__":
    main()
