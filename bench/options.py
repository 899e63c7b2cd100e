"""The command line."""

import argparse
from pathlib import Path

from bench import ROOT
from bench.contest import Terms
from bench.release import Release
from bench.sections.analytics import analytics
from bench.sections.batches import batches
from bench.sections.beside import beside
from bench.sections.idle import idle
from bench.sections.kafka import kafka
from bench.sections.persons import persons
from bench.sections.protocols import protocols
from bench.sections.reads import reads
from bench.sections.rollups import rollups
from bench.sections.singles import singles
from bench.sections.sources import sources
from bench.setup import Section

SECTIONS: dict[str, Section] = {
    "singles": singles,
    "idle": idle,
    "batches": batches,
    "protocols": protocols,
    "kafka": kafka,
    "rollups": rollups,
    "reads": reads,
    "analytics": analytics,
    "persons": persons,
    "sources": sources,
    "beside": beside,
}

SIZES = (100_000, 10_000_000)
QUICK_SIZES = (100_000, 1_000_000)


def _sections(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SECTIONS):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return names


def read_options() -> argparse.Namespace:
    """The options, with `terms` and `sizes` made of them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure this project and others side by side. See bench/README.md."
    )
    parser.add_argument("--quick", action="store_true", help="short runs on small tables, to try the benchmark itself")
    parser.add_argument("--only", type=_sections, metavar="SECTIONS", help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--rounds", type=int, help="timed runs of each contender (3; quick: 1)")
    parser.add_argument("--seconds", type=float, help="length of a timed run (10; quick: 1)")
    parser.add_argument("--warm-up", type=float, metavar="SECONDS", help="load before each timed run (2; quick: 1)")
    parser.add_argument("--events", type=int, help=f"in the large tables ({SIZES[1]}; quick: {QUICK_SIZES[1]})")
    parser.add_argument(
        "--release",
        type=Path,
        metavar="FOLDER",
        help="a checkout of an earlier release, with its .venv, to measure beside: analytics, persons and beside",
    )
    parser.add_argument(
        "--patience",
        type=float,
        help="most seconds, in all, to wait for a quiet machine and to repeat disturbed runs (900; quick: 0)",
    )
    parser.add_argument("--data", type=Path, help="keep PostgreSQL's data here, and use loaded tables again")
    parser.add_argument(
        "--output",
        type=Path,
        help="document to write the report into (docs/performance.md; nothing with --quick or --only)",
    )
    options = parser.parse_args()
    quick = options.quick
    options.terms = Terms(
        rounds=options.rounds or (1 if quick else 3),
        seconds=options.seconds or (1 if quick else 10),
        warm_up=(1 if quick else 2) if options.warm_up is None else options.warm_up,
        patience=(0 if quick else 900) if options.patience is None else options.patience,
    )
    small, large = QUICK_SIZES if quick else SIZES
    options.sizes = (min(small, options.events or large), options.events or large)
    options.release = options.release and Release.in_folder(options.release)
    if options.output is None and not quick and not options.only:
        options.output = ROOT / "docs" / "performance.md"
    return options
