"""An earlier release that is measured beside: its query service, on a database that its own command has kept."""

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench import ROOT


@dataclass(frozen=True)
class Release:
    """A checkout with its `.venv`.

    Attributes:
        name: what stands in the table.
        python: of its `.venv`.
    """

    name: str
    folder: Path
    python: str

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """The release of a checkout in whose folder `make .venv/.ready` was run."""
        version = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"]
        return cls(f"release {version}", folder.resolve(), str(folder.resolve() / ".venv" / "bin" / "python"))

    @property
    def migrations(self) -> Path:
        return self.folder / "infra" / "migrations"

    def maintain(self, url: str) -> None:
        """Run its `tracker maintain`."""
        command = [self.python, "-m", "event_tracker.cli", "maintain"]
        environment = {**os.environ, "DATABASE_URL": url}
        subprocess.run(command, cwd=self.folder, env=environment, check=True, stdout=sys.stderr)


TODAY = Release("ours", ROOT, sys.executable)
