"""Run the benchmark: `make bench`, or `python -m bench --help`."""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.audit import audit
from bench.contest import Line, say
from bench.events import Requests
from bench.expectations import expect
from bench.machine import describe_machine
from bench.noise import Patience
from bench.options import SECTIONS, read_options
from bench.postgres import Postgres
from bench.report import compose, write
from bench.services import EXPRESS, install_express
from bench.setup import Setup


@contextmanager
def own_postgres(folder: Path | None) -> Iterator[Postgres]:
    """The server, on a folder that is kept or on one that isn't; stopped at the end."""
    if folder:
        folder.parent.mkdir(parents=True, exist_ok=True)
        postgres = Postgres(folder.resolve())
        try:
            yield postgres
        finally:
            postgres.stop("fast")
        return
    # Not below a long path: that of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="bench", ignore_cleanup_errors=True) as temporary:
        postgres = Postgres(Path(temporary))
        try:
            yield postgres
        finally:
            postgres.stop("immediate")


def run(options: argparse.Namespace) -> bool:
    """Measure and report; return whether everything that was measured is valid."""
    express = install_express()
    with tempfile.TemporaryDirectory() as temporary, own_postgres(options.data) as postgres:
        work = Path(temporary)
        patience = Patience(options.terms.patience)
        setup = Setup(postgres, Requests(work), work, options.terms, patience, express, options.sizes, options.release)
        lines: list[Line] = []
        for name in options.only or SECTIONS:
            lines += SECTIONS[name](setup)
        audited = audit(setup) if not options.only else {}
        facts = describe_machine(postgres.version(), EXPRESS)
    if not express:
        facts["Peer"] = "**not measured**: Node.js or its packages weren't there"
    report = compose(facts, options.terms, lines, expect(lines, options.sizes), audited)
    print(report)
    if options.output:
        write(report, options.output)
        say(f"written to {options.output}")
    lost = len(set(audited.values())) > 1
    if lost:
        say(f"! AUDIT FAILED: {audited}")
    return not lost and not any(line.complaints for line in lines)


def main() -> None:
    """Measure; exit 1 if something measured isn't valid, 130 if interrupted. Whether expectations are met doesn't matter."""
    options = read_options()
    if not shutil.which("wrk"):
        sys.exit("wrk, which makes the load, isn't there. Debian, Ubuntu: apt install wrk; macOS: brew install wrk")
    # A SIGTERM ends it as Ctrl-C does: services and server are stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        valid = run(options)
    except KeyboardInterrupt:
        say("interrupted; everything is stopped")
        sys.exit(130)
    sys.exit(0 if valid else 1)


if __name__ == "__main__":
    main()
