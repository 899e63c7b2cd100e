"""Named SQL: a `.sql` file beside the code, each statement under a line `-- name: its_name`."""

from importlib import resources
from typing import LiteralString

MARK = "-- name: "


def load_queries(package: str, file: str = "queries.sql") -> dict[str, LiteralString]:
    """Read the statements of `file` in `package`, by name, each without its trailing semicolon.

    They count as literal: they come from the package, never from a request.
    """
    text = resources.files(package).joinpath(file).read_text("utf-8")
    blocks = [block.split("\n", 1) for block in text.split(MARK)[1:]]
    return {name.strip(): sql.strip().rstrip(";") for name, sql in blocks}
