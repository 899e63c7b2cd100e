"""What every section of the benchmark uses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contest import Contender, Line, Terms, compete
from bench.events import Requests
from bench.noise import Patience
from bench.postgres import Postgres
from bench.release import Release
from bench.services import Services


@dataclass(frozen=True)
class Setup:
    """The environment of one run.

    Attributes:
        express: whether the peer can be measured.
        sizes: events in the tables that are read, small and large.
        release: an earlier one that is measured beside.
    """

    postgres: Postgres
    requests: Requests
    logs: Path
    terms: Terms
    patience: Patience
    express: bool
    sizes: tuple[int, int]
    release: Release | None

    def services(self) -> Services:
        """Services for one section; they stop when it is over."""
        return Services(self.postgres, self.logs)

    def compete(self, section: str, contenders: Sequence[Contender]) -> list[Line]:
        return compete(section, contenders, self.terms, self.patience, self.postgres.pid)


Section = Callable[[Setup], list[Line]]
