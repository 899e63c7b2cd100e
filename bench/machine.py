"""Describes what was measured on: machine, versions, revision, date. It contains no host name and no path."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from bench import ROOT


def _output(*command: str) -> str:
    """The output of a command; empty if there is no such command. wrk prints its version and exits with 1."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    except OSError:
        return ""
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or platform.machine()


def _revision() -> str:
    revision = _output("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    changed = _output("git", "status", "--porcelain", "--", "apps", "infra", "bench")
    return f"{revision} with changes not committed" if changed else revision


def _npm_version(peer: Path, package: str) -> str:
    return _output("node", "-p", f"require({str(peer / 'node_modules' / package / 'package.json')!r}).version") or "-"


def describe_machine(postgres_version: str, express: Path) -> dict[str, str]:
    """Facts for the head of the report, by name."""
    wrk = re.search(r"wrk (\S+)", _output("wrk", "-v"))
    return {
        "Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Revision": _revision(),
        "Machine": f"{os.cpu_count()} cores ({_cpu_model()}), {psutil.virtual_memory().total / 2**30:.0f} GiB of memory, "
        f"{platform.system()} {platform.release().split('-')[0]}",
        "Ours": f"Python {platform.python_version()}, gunicorn {version('gunicorn')}, gevent {version('gevent')}, "
        f"Flask {version('flask')}, psycopg {version('psycopg')}",
        "Peer": f"Node.js {_output('node', '--version').lstrip('v') or '-'}, Express {_npm_version(express, 'express')}, "
        f"pg {_npm_version(express, 'pg')}",
        "Database": f"PostgreSQL {postgres_version}",
        "Load": f"wrk {wrk.group(1) if wrk else '-'}, one thread",
    }
